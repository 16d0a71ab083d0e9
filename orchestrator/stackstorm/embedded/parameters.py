"""The parameters of an execution: rendered, converted to their types, checked against the action's schema."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content import checks
from orchestrator.stackstorm.embedded.content.schemas import checker, standard
from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.orquesta.documents import NONE_MARK
from orchestrator.stackstorm.embedded.rules import templates
from orchestrator.stackstorm.embedded.runners.catalog import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.stackstorm.embedded.content.schemas import Problem
    from orchestrator.stackstorm.embedded.content.values import Action

Schemas = dict[str, dict[str, Any]]
_CYCLE = "Cyclic dependency found in the following variables: {}. Likely the variable is referencing itself"


@dataclass(frozen=True, slots=True)
class _Expected:
    """What an action's parameters are held against; `schemas` are the runner's, overridden by the action's own."""

    action: Action
    schemas: Schemas
    required: bool
    check: Callable[[Any], Problem | None]


# By the action's ref, made anew when the action was read anew.
_known: dict[str, _Expected] = {}


def _expected(action: Action) -> _Expected:
    known = _known.get(action.ref)
    if known is None or known.action is not action:
        merged: Schemas = {name: dict(schema) for name, schema in _runner_schemas(action).items()}
        for name, schema in action.parameters.items():
            merged[name] = {**merged.get(name, {}), **schema}
        whole = _whole(merged)
        known = _known[action.ref] = _Expected(action, merged, bool(whole["required"]), checker(whole))
    return known


def live(action: Action, given: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parameters as an execution shows them: rendered and converted, without plain defaults.

    `context` holds what templates may name besides the parameters. Raises ParameterError.
    """
    expected = _expected(action)
    schemas = expected.schemas
    values = _resolve(action, given, context, plain=frozenset())
    shown = {name: cast(values[name], schemas.get(name, {})) for name in given}
    for name, schema in schemas.items():
        if name not in given and not schema.get("immutable") and _rendered(schema.get("default"), values[name]):
            shown[name] = cast(values[name], schema)
    _check(shown, expected)
    return shown


def given(action: Action, said: Mapping[str, Any]) -> dict[str, Any]:
    """Give parameters that are values, whatever they hold: converted and checked. Raises ParameterError.

    So StackStorm takes what is said to an alias; templates among the action's defaults are rendered when it runs.
    """
    expected = _expected(action)
    shown = {name: cast(value, expected.schemas.get(name, {})) for name, value in said.items()}
    _check(shown, expected)
    return shown


def _rendered(default: Any, value: Any) -> bool:
    return isinstance(default, str) and templates.is_template(default) and value != default


def final(
    action: Action, shown: Mapping[str, Any], context: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give what the runner gets and what the action gets: what is shown as it is, and defaults rendered.

    `context` is that of live(). Raises ParameterError.
    """
    runner_names = _runner_schemas(action)
    values = _resolve(action, shown, context, plain=frozenset(shown))
    filled = {name: cast(values[name], schema) for name, schema in _expected(action).schemas.items()}
    runner = {name: value for name, value in filled.items() if name in runner_names}
    own = {name: value for name, value in filled.items() if name not in runner_names}
    return runner, own


def cast(value: Any, schema: Mapping[str, Any]) -> Any:
    """Convert a value to its parameter's type, as StackStorm does; raises ParameterError, which shows no secret."""
    if value is None or (isinstance(value, str) and value == NONE_MARK):
        return None
    try:
        return _cast(value, schema.get("type"))
    except (ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError) as error:
        raise ParameterError(_unlike(value, schema) if schema.get("secret") else str(error)) from None


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


def _unlike(secret: Any, schema: Mapping[str, Any]) -> str:
    return f"expected {checks.WORDS[schema['type']]} for a secret parameter, got {checks.kind_of(secret)}"


def _structure(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)


def _runner_schemas(action: Action) -> Schemas:
    found: Schemas = RUNNERS[action.runner_type]["runner_parameters"]
    return found


def _resolve(
    action: Action, given: Mapping[str, Any], context: Mapping[str, Any], *, plain: frozenset[str]
) -> dict[str, Any]:
    """Render every parameter after the ones it names; those in `plain` are no templates, whatever they hold."""
    pending = dict(given)
    fixed = set(plain)
    for schemas in (action.parameters, _runner_schemas(action)):
        for name, schema in schemas.items():
            if pending.get(name) is None:
                pending[name] = schema.get("default")
                fixed.discard(name)
    needs = {
        name: templates.names_in(value)
        for name, value in pending.items()
        if name not in fixed and templates.is_template(value) and not templates.is_literal(value)
    }
    for needed in needs.values():
        for name in sorted(needed - set(pending) - set(context)):
            raise ParameterError(f'Dependency unsatisfied in variable "{name}"')
    return _render(pending, needs, dict(context))


def _render(pending: dict[str, Any], needs: Mapping[str, frozenset[str]], values: dict[str, Any]) -> dict[str, Any]:
    while pending:
        ready = [name for name in pending if not needs.get(name, frozenset()) & set(pending)]
        if not ready:
            raise ParameterError(_CYCLE.format(", ".join(sorted(pending))))
        for name in ready:
            value = pending.pop(name)
            values[name] = templates.render(name, value, values) if name in needs else value
    return values


def _whole(schemas: Schemas) -> dict[str, Any]:
    """Give the schema of all parameters together, as plain draft 4."""
    schema = standard({"type": "object", "properties": schemas})
    schema["additionalProperties"] = False
    schema["required"] = [
        name for name, member in schemas.items() if member.get("required") is True and member.get("default") is None
    ]
    return schema


def _check(shown: Mapping[str, Any], expected: _Expected) -> None:
    if not shown and not expected.required:
        return
    problem = expected.check(dict(shown))
    if problem is not None:
        raise ParameterError(problem[1])
    for name, member in expected.schemas.items():
        if member.get("immutable") and name in shown:
            raise ParameterError(f'Parameter "{name}" is immutable. Unable to set it.')
