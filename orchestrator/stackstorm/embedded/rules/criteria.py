"""The criteria of rules: pure functions of a payload and the time. All of them must hold.

The operators and their odd corners (no conversion of types; a missing value makes most comparisons an error, and an
error makes the rule not match) are those of StackStorm's rules engine.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SEARCH = "search"
CONDITIONS = {"all": (all, all), "any": (any, all), "all2any": (all, any), "any2any": (any, any)}
_STEP = re.compile(r"""\.?(?:([^.\[\]'"]+)|\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\])""")

Test = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a rule's criteria: the value at `path` compared with `pattern`; nested criteria for `search`."""

    key: str
    path: tuple[str | int, ...]
    operator: str
    pattern: Any = None
    condition: str | None = None
    nested: tuple[Criterion, ...] = ()


class CriterionError(ValueError):
    """Criteria that no StackStorm, or not this one, can evaluate; `key` is the line that is wrong."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(expected)
        self.key = key


def parse(criteria: Mapping[str, Any], prefix: str = "trigger") -> tuple[Criterion, ...]:
    """Read a rule's `criteria`; raises CriterionError naming the key and what was expected."""
    return tuple(_criterion(key, spec, prefix) for key, spec in criteria.items())


def holds(criteria: tuple[Criterion, ...], payload: Any, now: datetime) -> bool:
    """Tell whether all criteria hold for a payload; raises what a comparison raises (TypeError and the like)."""
    if criteria and not payload:
        return False
    return all(_holds(criterion, payload, now) for criterion in criteria)


def _criterion(key: str, spec: Any, prefix: str) -> Criterion:
    if not isinstance(spec, Mapping) or not set(spec) <= {"type", "pattern", "condition"}:
        raise CriterionError(key, "expected a mapping of type, pattern and condition")
    operator = str(spec.get("type", "")).lower()
    if operator not in OPERATORS and operator != SEARCH:
        allowed = ", ".join([*OPERATORS, SEARCH])
        raise CriterionError(key, f"expected one of the operators {allowed}, got {spec.get('type')!r}")
    pattern = spec.get("pattern")
    if isinstance(pattern, str) and ("{{" in pattern or "{%" in pattern):
        raise CriterionError(key, "expected a plain pattern; the embedded StackStorm does not support Jinja in one")
    path = _path(key, prefix)
    if operator != SEARCH:
        return Criterion(key, path, operator, pattern)
    return _search(key, path, spec)


def _search(key: str, path: tuple[str | int, ...], spec: Mapping[str, Any]) -> Criterion:
    condition = spec.get("condition")
    if condition not in CONDITIONS:
        raise CriterionError(key, f"expected condition to be one of {', '.join(CONDITIONS)}, got {condition!r}")
    if not isinstance(spec.get("pattern"), Mapping):
        raise CriterionError(key, "expected pattern to be a mapping of criteria on item.*")
    return Criterion(key, path, SEARCH, None, condition, parse(spec["pattern"], "item"))


def _path(key: str, prefix: str) -> tuple[str | int, ...]:
    plain = key.split("#", 1)[0].strip()
    steps = list(_STEP.finditer(plain))
    if "".join(step.group() for step in steps) != plain or not steps or steps[0].group() != prefix:
        raise CriterionError(key, f"expected a path such as {prefix}.name, {prefix}.list[0] or {prefix}.map['key']")
    return tuple(int(step[2]) if step[2] else step[1] or step[3] or step[4] or "" for step in steps[1:])


def _lookup(payload: Any, path: tuple[str | int, ...]) -> Any:
    value = payload
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _holds(criterion: Criterion, payload: Any, now: datetime) -> bool:
    value = _lookup(payload, criterion.path)
    if criterion.operator == SEARCH:
        items, patterns = CONDITIONS[criterion.condition or "all"]
        rows = [value] if isinstance(value, dict) else value
        return items([patterns([_holds(nested, row, now) for nested in criterion.nested]) for row in rows])
    if criterion.operator in TIMES:
        return criterion.pattern is not None and TIMES[criterion.operator](_age(value, now), float(criterion.pattern))
    if criterion.pattern is None and criterion.operator not in WITHOUT_PATTERN:
        return False
    return OPERATORS[criterion.operator](_text(value), _text(criterion.pattern))


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _age(value: Any, now: datetime) -> float:
    moment = datetime.fromisoformat(value)
    return (now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))).total_seconds()


def _equals(value: Any, pattern: Any) -> bool:
    return bool(value == pattern)


def _differs(value: Any, pattern: Any) -> bool:
    return bool(value != pattern)


def _iequals(value: Any, pattern: Any) -> bool:
    return bool(value.lower() == pattern.lower())


def _less(value: Any, pattern: Any) -> bool:
    return bool(value < pattern)


def _greater(value: Any, pattern: Any) -> bool:
    return bool(value > pattern)


def _in(value: Any, pattern: Any) -> bool:
    return value in pattern


def _not_in(value: Any, pattern: Any) -> bool:
    return value not in pattern


TIMES: dict[str, Test] = {"td_lt": _less, "timediff_lt": _less, "td_gt": _greater, "timediff_gt": _greater}
WITHOUT_PATTERN = frozenset({"exists", "nexists", "neq", "nequals"})
OPERATORS: dict[str, Test] = {
    "matchwildcard": fnmatch.fnmatch,
    "matchregex": lambda value, pattern: re.compile(pattern, re.DOTALL).match(value) is not None,
    "regex": lambda value, pattern: re.search(pattern, value) is not None,
    "iregex": lambda value, pattern: re.search(pattern, value, re.IGNORECASE) is not None,
    "eq": _equals,
    "equals": _equals,
    "neq": _differs,
    "nequals": _differs,
    "ieq": _iequals,
    "iequals": _iequals,
    "contains": lambda value, pattern: pattern in value,
    "icontains": lambda value, pattern: pattern.lower() in value.lower(),
    "ncontains": lambda value, pattern: pattern not in value,
    "incontains": lambda value, pattern: pattern.lower() not in value.lower(),
    "startswith": lambda value, pattern: value.startswith(pattern),
    "istartswith": lambda value, pattern: value.lower().startswith(pattern.lower()),
    "endswith": lambda value, pattern: value.endswith(pattern),
    "iendswith": lambda value, pattern: value.lower().endswith(pattern.lower()),
    "lt": _less,
    "lessthan": _less,
    "gt": _greater,
    "greaterthan": _greater,
    **TIMES,
    "exists": lambda value, _pattern: value is not None,
    "nexists": lambda value, _pattern: value is None,
    "inside": _in,
    "in": _in,
    "ninside": _not_in,
    "nin": _not_in,
}
