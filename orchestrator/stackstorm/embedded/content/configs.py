"""The configuration of a pack: configs/<pack>.yaml checked against config.schema.yaml, and what actions get of it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content import checks, shapes, source
from orchestrator.stackstorm.embedded.content.members import of_item, of_member
from orchestrator.stackstorm.embedded.content.schemas import standard
from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.rules.templates import is_template, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from orchestrator.stackstorm.embedded.content.checks import Problem

_OBJECT = ("properties", "patternProperties", "additionalProperties")
_ARRAY = ("items", "additionalItems")
_TWICE = "expected the value without decrypt_kv: what the schema calls secret is decrypted in any case"


@dataclass(frozen=True, slots=True)
class Config:
    """A pack's configuration: `given` as the file has it, Jinja included; `properties` is its config.schema.yaml."""

    given: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """The values with the schema's defaults filled in, and Jinja as it stands."""
        return _filled(self.given, self._schema) or {}

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to resolve: neither values nor a schema that could have defaults."""
        return not self.given and not self.properties

    @property
    def secrets(self) -> frozenset[str]:
        """The names whose values are secret."""
        return frozenset(name for name, member in self.properties.items() if member.get("secret"))

    def resolved(self, pack: str, names: Mapping[str, Any], decrypt: Callable[[str], str]) -> dict[str, Any]:
        """Give the values that an action gets now: Jinja rendered, secrets decrypted, then defaults filled in.

        `names` holds what Jinja may name (st2kv). Raises ParameterError for a value that cannot be rendered, or that
        is secret and not stored encrypted: StackStorm fails every action of the pack then.
        """
        if not is_template(self.given):
            return self.values

        def resolve(key: str, text: str, schema: Mapping[str, Any]) -> str | None:
            rendered = str(render(key, text, names))
            try:
                return (decrypt(rendered) if schema.get("secret") else rendered) if rendered else None
            except ValueError as error:
                raise ParameterError(
                    f'Failed to decrypt the secret configuration value "{key}" of pack "{pack}": {error}. Expected '
                    "the key of the datastore to be stored encrypted, since the schema calls this value secret"
                ) from None

        return _filled(_resolved("", self.given, self._schema, resolve), self._schema) or {}

    @property
    def _schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": self.properties}


def load_config(pack: Path, values_file: Path | None) -> Config:
    """Read a pack's configuration; raises ContentError, without the values in its text."""
    schema_file = pack / "config.schema.yaml"
    properties = _properties(schema_file) if schema_file.exists() else {}
    if values_file is None or not values_file.exists():
        return Config({}, properties)
    document = source.read(values_file)
    given = {} if document.data is None else document.data
    checks.raise_all(document, _problems(given, properties))
    return Config(given, properties)


def _properties(file: Path) -> dict[str, Any]:
    document = source.read(file)
    found = checks.expect(document, shapes.CONFIG_SCHEMA)
    checks.raise_all(document, checks.pattern_problems((), found))
    return found


def _problems(given: Any, properties: dict[str, Any]) -> Iterator[Problem]:
    yield from checks.problems(given, standard({"type": "object", "properties": properties}), show=False)
    for name, value in given.items() if isinstance(given, dict) else ():
        if is_template(value) and "decrypt_kv" in str(value) and (properties.get(name) or {}).get("secret"):
            yield (name,), _TWICE


def _resolved(
    key: str, value: Any, schema: Mapping[str, Any], resolve: Callable[[str, str, Mapping[str, Any]], str | None]
) -> Any:
    if isinstance(value, dict):
        return {
            name: _resolved(f"{key}.{name}" if key else name, member, of_member(schema, name), resolve)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_resolved(f"{key}.{index}", item, of_item(schema, index), resolve) for index, item in enumerate(value)]
    return resolve(key, value, schema) if is_template(value) else value


def _filled(value: Any, schema: Mapping[str, Any]) -> Any:
    """Fill in defaults; a mapping or list that the schema describes and nobody gives is empty, as in StackStorm."""
    if schema.get("type") == "object" and any(schema.get(name) for name in _OBJECT):
        return _filled_members(value or {}, schema) if isinstance(value or {}, dict) else value
    if schema.get("type") == "array" and any(schema.get(name) for name in _ARRAY) and isinstance(value or [], list):
        return [_filled(item, of_item(schema, index)) for index, item in enumerate(value or [])]
    return copy.deepcopy(value)


def _filled_members(given: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name in dict.fromkeys([*given, *(schema.get("properties") or {})]):
        member = of_member(schema, name)
        value = _filled(given[name] if name in given else member.get("default"), member)
        if name in given or "default" in member or value is not None:
            filled[name] = value
    return filled
