"""JSON Schema as StackStorm writes it: draft 4, with `required` as a boolean of each property."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # 3.2, which st2client pins, has no types
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # as above

from orchestrator.stackstorm.embedded.content import checks
from orchestrator.stackstorm.embedded.masking import hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OWN = frozenset({"required", "immutable", "position", "default", "description", "title"})
# What jsonschema says of these names keys alone, and no value.
_WITHOUT_VALUES = frozenset({"additionalProperties", "dependencies", "required"})

Problem = tuple[list[str | int], str]


def standard(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Turn StackStorm's dialect into plain draft 4; what may be left out may also be null."""
    plain = {name: value for name, value in schema.items() if name not in _OWN}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        plain["properties"] = {name: _property(member) for name, member in properties.items()}
        required = [name for name, member in properties.items() if member.get("required") is True]
        if required:
            plain["required"] = required
    if isinstance(schema.get("items"), dict):
        plain["items"] = standard(schema["items"])
    return plain


def _property(schema: Mapping[str, Any]) -> dict[str, Any]:
    plain = standard(schema)
    if schema.get("required") is True or schema.get("default") is not None:
        return plain
    for union in ("anyOf", "oneOf"):
        if union in plain:
            return {**plain, union: [*plain[union], {"type": "null"}]}
    if "enum" in plain:
        plain["enum"] = [*plain["enum"], None]
    if "type" in plain:
        types = plain["type"] if isinstance(plain["type"], list) else [plain["type"]]
        plain["type"] = types if "null" in types else [*types, "null"]
    return plain


def first_problem(value: Any, schema: Mapping[str, Any]) -> Problem | None:
    """Give (path, message) of the most telling violation of a plain draft 4 schema, or None.

    The message is jsonschema's own; where the schema calls the value secret it is ours, and does not show it.
    """
    return checker(schema)(value)


def checker(schema: Mapping[str, Any]) -> Callable[[Any], Problem | None]:
    """Make what `first_problem` does for a schema that many values are held against."""
    validator = Draft4Validator(schema)

    def check(value: Any) -> Problem | None:
        error = best_match(validator.iter_errors(value))
        return None if error is None else (list(error.absolute_path), _message(error, hidden(schema, value)))

    return check


def _message(error: Any, shown: Any) -> str:
    """Say what is wrong; `shown` is the whole value with its secrets hidden."""
    for place in error.absolute_path:
        shown = shown[place] if isinstance(shown, (dict, list)) else shown
    if shown == error.instance or error.validator in _WITHOUT_VALUES:
        return str(error.message)
    name = ".".join(str(place) for place in error.absolute_path)
    return "; ".join(f'"{name}" holds a secret: {expected}' for _, expected in checks.said(error, show=False))


def with_defaults(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of a schema's properties, at any depth of mappings."""
    filled = dict(value)
    for name, member in (schema.get("properties") or {}).items():
        if filled.get(name) is None and "default" in member:
            filled[name] = member["default"]
        if isinstance(filled.get(name), dict) or (name not in filled and member.get("properties")):
            nested = with_defaults(filled.get(name) or {}, member)
            if nested:
                filled[name] = nested
    return filled
