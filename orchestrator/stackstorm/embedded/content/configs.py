"""The configuration of a pack: configs/<pack>.yaml checked against config.schema.yaml, defaults filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content import checks, source
from orchestrator.stackstorm.embedded.content.schemas import first_problem, standard, with_defaults
from orchestrator.stackstorm.embedded.rules.templates import is_template

if TYPE_CHECKING:
    from pathlib import Path


def load_config(pack: Path, values_file: Path) -> tuple[dict[str, Any], frozenset[str]]:
    """Give the values that actions get, and the names of those that are secret; raises ContentError."""
    schema_file = pack / "config.schema.yaml"
    properties = _schema(schema_file) if schema_file.is_file() else {}
    schema = {"type": "object", "properties": properties}
    given = source.read(values_file) if values_file.is_file() else source.Source(values_file, {})
    data = {} if given.data is None else given.data
    if not isinstance(data, dict):
        raise given.error((), f"expected a mapping, got {type(data).__name__}")
    for name, value in data.items():
        if is_template(value):
            raise given.error((name,), "Jinja in a pack's configuration is not supported by the embedded StackStorm")
    values = with_defaults(data, schema)
    problem = first_problem(values, {**standard(schema), "additionalProperties": not schema_file.is_file()})
    if problem is not None:
        raise given.error(tuple(problem[0]), problem[1])
    secrets = frozenset(name for name, member in properties.items() if member.get("secret"))
    return values, secrets


def _schema(file: Path) -> dict[str, Any]:
    document = source.read(file)
    if not isinstance(document.data, dict):
        raise document.error((), f"expected a mapping of properties, got {type(document.data).__name__}")
    checks.parameters(document, (), document.data)
    return document.data
