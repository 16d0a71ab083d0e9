"""The criteria of rules: read once, evaluated on each payload. All of them must hold.

A pattern that is a text is a template: it may name `trigger` (in a search, `item`) and `st2kv`, and what it renders to
counts as the JSON value it spells, as StackStorm has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.rules import paths, templates
from orchestrator.stackstorm.embedded.rules.operators import CONDITIONS, OPERATORS, SEARCH, compare

if TYPE_CHECKING:
    from datetime import datetime

ALLOWED: Final = (*OPERATORS, SEARCH)
_EXPRESSION = re.compile(r"({{)\s*(.*)\s*(}})")
_TO_VALUE: Final = r"\1\2 | to_complex\3"

Render = Callable[[str, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a rule's criteria: the value at `path` compared with `pattern`; nested criteria for `search`."""

    key: str
    path: tuple[paths.Step, ...]
    operator: str
    pattern: Any = None
    condition: str | None = None
    nested: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether criteria hold, and what went wrong while they were compared: a criterion that fails does not hold."""

    holds: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """What criteria are evaluated in: the time, the names that templates know besides the payload, and a renderer."""

    now: datetime
    names: Mapping[str, Any]
    render: Render


class CriterionError(ValueError):
    """Criteria that no StackStorm, or not this one, can evaluate; `key` is the line, `faultstring` the API's answer."""

    def __init__(self, key: str, expected: str, faultstring: str | None = None) -> None:
        super().__init__(expected)
        self.key = key
        self.faultstring = faultstring or f"For field: {key}, {expected}"


def parse(criteria: Mapping[str, Any]) -> tuple[Criterion, ...]:
    """Read a rule's `criteria`; raises CriterionError naming the key and what was expected."""
    for key, spec in criteria.items():
        if isinstance(spec, Mapping) and spec.get("type") is not None and spec.get("pattern") is None:
            _operator(key, spec)
            fault = f"For field: {key}, no pattern specified for operator {spec['type']}"
            raise CriterionError(key, "expected a pattern, got none: StackStorm wants one of every operator", fault)
    return tuple(_criterion(key, spec, "trigger") for key, spec in criteria.items())


def evaluate(criteria: tuple[Criterion, ...], payload: Any, moment: Moment) -> Outcome:
    """Tell whether all criteria hold for a payload; the first that does not ends the evaluation."""
    problems: list[str] = []
    if criteria and not payload:
        return Outcome(holds=False)
    holds = all(_holds(criterion, "trigger", payload, moment, problems) for criterion in criteria)
    return Outcome(holds, tuple(problems))


def _criterion(key: str, spec: Any, prefix: str) -> Criterion:
    if not isinstance(spec, Mapping):
        raise CriterionError(key, "expected a mapping of type, pattern and condition")
    operator = _operator(key, spec)
    pattern = spec.get("pattern")
    for problem in templates.problems(pattern) if isinstance(pattern, str) else ():
        raise CriterionError(key, problem)
    try:
        path = paths.parse(key.split("#", 1)[0].strip(), prefix)
    except paths.PathError as error:
        raise CriterionError(key, str(error)) from None
    return _search(key, path, spec) if operator == SEARCH else Criterion(key, path, operator, pattern)


def _operator(key: str, spec: Mapping[str, Any]) -> str:
    operator = spec.get("type")
    if operator is None:
        fault = f"Operator not specified for field: {key}"
        raise CriterionError(key, f"expected a type, one of {', '.join(ALLOWED)}, got none", fault)
    if operator not in ALLOWED:
        fault = f"For field: {key}, operator {operator} not in list of allowed operators: {list(ALLOWED)}"
        raise CriterionError(key, f"expected one of the operators {', '.join(ALLOWED)}, got {operator!r}", fault)
    return str(operator)


def _search(key: str, path: tuple[paths.Step, ...], spec: Mapping[str, Any]) -> Criterion:
    condition = spec.get("condition")
    if condition not in CONDITIONS:
        raise CriterionError(key, f"expected condition to be one of {', '.join(CONDITIONS)}, got {condition!r}")
    if not isinstance(spec["pattern"], Mapping):
        raise CriterionError(key, "expected pattern to be a mapping of criteria on item.*")
    nested = tuple(_criterion(name, inner, "item") for name, inner in spec["pattern"].items())
    return Criterion(key, path, SEARCH, None, condition, nested)


def _holds(criterion: Criterion, prefix: str, payload: Any, moment: Moment, problems: list[str]) -> bool:
    """Evaluate one criterion; what it raises is a problem, told as StackStorm tells it."""
    told = f'Failed to render pattern value "{criterion.pattern}" for key "{criterion.key}"'
    try:
        pattern = _rendered(criterion.pattern, {prefix: payload, **moment.names}, moment.render)
        told = f"Failed transforming criteria key {criterion.key}"
        value = paths.lookup(criterion.path, payload)
        told = "There might be a problem with the criteria in rule {rule}"
        if criterion.operator == SEARCH:
            return _found(criterion, value, moment, problems)
        return compare(criterion.operator, value, pattern, moment.now)
    except Exception as error:  # noqa: BLE001 whatever a comparison raises makes the criterion not hold
        problems.append(f"{told}: {error}")
        return False


def _found(criterion: Criterion, value: Any, moment: Moment, problems: list[str]) -> bool:
    rows, patterns = CONDITIONS[criterion.condition or "all"]
    items = [value] if isinstance(value, dict) else value
    return rows(
        [patterns([_holds(nested, "item", item, moment, problems) for nested in criterion.nested]) for item in items]
    )


def _rendered(pattern: Any, names: Mapping[str, Any], render: Render) -> Any:
    if not isinstance(pattern, str):
        return pattern
    if "{" not in pattern:
        return pattern.removesuffix("\n")  # as Jinja does
    if _EXPRESSION.search(pattern):
        text = render(_EXPRESSION.sub(_TO_VALUE, pattern), names)
        try:
            return json.loads(text)
        except ValueError:
            pass
    return render(pattern, names)
