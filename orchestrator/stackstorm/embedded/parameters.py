"""The parameters of an execution: rendered, converted to their types, checked against the action's schema."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content.schemas import first_problem, standard
from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.orquesta.functions import NONE_MARK
from orchestrator.stackstorm.embedded.rules import templates
from orchestrator.stackstorm.embedded.runners.catalog import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.content.values import Action

Schemas = dict[str, dict[str, Any]]
MASK = "********"
_CYCLE = "Cyclic dependency found in the following variables: {}. Likely the variable is referencing itself"


def schemas_of(action: Action) -> Schemas:
    """Give the schema of every parameter: the runner's, overridden by the action's own."""
    merged: Schemas = {name: dict(schema) for name, schema in RUNNERS[action.runner_type]["runner_parameters"].items()}
    for name, schema in action.parameters.items():
        merged[name] = {**merged.get(name, {}), **schema}
    return merged


def live(action: Action, given: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parameters as an execution shows them: rendered and converted, without plain defaults.

    `context` holds what templates may name besides the parameters. Raises ParameterError.
    """
    schemas = schemas_of(action)
    values = _resolve(given, schemas, context)
    shown = {name: cast(values[name], schemas.get(name, {})) for name in given}
    for name, schema in schemas.items():
        if name not in given and not schema.get("immutable") and templates.is_template(schema.get("default")):
            shown[name] = cast(values[name], schema)
    _check(shown, schemas)
    return shown


def final(action: Action, shown: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give what the runner gets and what the action gets, defaults filled in."""
    runner_names = RUNNERS[action.runner_type]["runner_parameters"]
    filled = {name: cast(schema.get("default"), schema) for name, schema in schemas_of(action).items()} | dict(shown)
    runner = {name: value for name, value in filled.items() if name in runner_names}
    own = {name: value for name, value in filled.items() if name not in runner_names}
    return runner, own


def masked(schemas: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Hide the values of secret parameters, as every answer does."""
    secret = {name for name, schema in schemas.items() if schema.get("secret")}
    return {name: MASK if name in secret and value else value for name, value in values.items()}


def cast(value: Any, schema: Mapping[str, Any]) -> Any:
    """Convert a value to its parameter's type, as StackStorm does; raises ParameterError."""
    if value is None or (isinstance(value, str) and value == NONE_MARK):
        return None
    try:
        return _cast(value, schema.get("type"))
    except (ValueError, TypeError, SyntaxError) as error:
        raise ParameterError(str(error)) from None


def _cast(value: Any, kind: Any) -> Any:
    if kind == "integer":
        return int(value)
    if kind == "number":
        return float(value)
    if kind == "boolean" and isinstance(value, str):
        return ast.literal_eval(value.capitalize())
    if kind in ("object", "array") and isinstance(value, str):
        return _structure(value)
    if kind == "string" and not isinstance(value, str):
        raise ParameterError(f'Value "{value}" must either be a string or None. Got "{type(value).__name__}".')
    return value


def _structure(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)


def _resolve(given: Mapping[str, Any], schemas: Schemas, context: Mapping[str, Any]) -> dict[str, Any]:
    """Render every parameter after the ones it names."""
    pending = {name: schema.get("default") for name, schema in schemas.items()}
    pending |= {name: value for name, value in given.items() if value is not None}
    for name, schema in schemas.items():
        if schema.get("immutable"):
            pending[name] = schema.get("default")
    values: dict[str, Any] = {**dict.fromkeys(given), **context}
    needs = {
        name: templates.names_in(value) & set(pending)
        for name, value in pending.items()
        if templates.is_template(value)
    }
    while pending:
        ready = [name for name in pending if not needs.get(name, set()) & set(pending)]
        if not ready:
            raise ParameterError(_CYCLE.format(", ".join(sorted(pending))))
        for name in ready:
            value = pending.pop(name)
            values[name] = templates.render(name, value, values) if name in needs else value
    return values


def _check(shown: Mapping[str, Any], schemas: Schemas) -> None:
    schema = standard({"type": "object", "properties": schemas})
    schema["additionalProperties"] = False
    schema["required"] = [
        name for name, member in schemas.items() if member.get("required") is True and member.get("default") is None
    ]
    problem = first_problem(dict(shown), schema)
    if problem is not None:
        raise ParameterError(problem[1])
    for name, member in schemas.items():
        if member.get("immutable") and name in shown:
            raise ParameterError(f'Parameter "{name}" is immutable. Unable to set it.')
