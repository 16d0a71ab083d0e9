"""The operators of criteria: pure functions of the payload's value, the rule's pattern and the time.

They convert no types. A comparison that Python refuses (`3 < "a"`, `None.lower()`) raises, and the rule does not match.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dateutil.parser  # type: ignore[import-untyped]  # its stubs are a package that nothing else needs

from orchestrator.stackstorm.embedded.rules import regexes

SEARCH: Final = "search"
CONDITIONS: Final = {"all": (all, all), "any": (any, all), "all2any": (all, any), "any2any": (any, any)}
_MONTH = re.compile(r"\d{4}-\d{2}$")
_DAY_OF_YEAR = re.compile(r"\d{4}-\d{3}$")

Test = Callable[[Any, Any], bool]


def compare(operator: str, value: Any, pattern: Any, now: datetime) -> bool:
    """Apply one operator but `search`; raises whatever the comparison raises, RegexTimeout included."""
    if operator in TIMES:
        return pattern is not None and bool(TIMES[operator](_age(value, now), float(pattern)))
    if pattern is None and operator not in WITHOUT_PATTERN:
        return False
    if operator not in UNDECODED:
        value, pattern = _decoded(value), _decoded(pattern)
    return bool(OPERATORS[operator](value, pattern))


def _decoded(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _age(value: Any, now: datetime) -> float:
    """Give the seconds that have passed since a time, which is UTC where it names no zone."""
    text = str(value)
    moment: datetime
    try:
        if _DAY_OF_YEAR.match(text):
            moment = datetime.strptime(f"{text}+0000", "%Y-%j%z")
        else:
            moment = datetime.fromisoformat(f"{text}-01" if _MONTH.match(text) else text)
    except ValueError:
        moment = dateutil.parser.parse(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (now - moment) / timedelta(seconds=1)


def _in(value: Any, pattern: Any) -> bool:
    return value in pattern


def _not_in(value: Any, pattern: Any) -> bool:
    return value not in pattern


def _equal(value: Any, pattern: Any) -> bool:
    return bool(value == pattern)


def _equal_folded(value: Any, pattern: Any) -> bool:
    return bool(value.lower() == pattern.lower())


def _differ(value: Any, pattern: Any) -> bool:
    return bool(value != pattern)


def _less(value: Any, pattern: Any) -> bool:
    return bool(value < pattern)


def _greater(value: Any, pattern: Any) -> bool:
    return bool(value > pattern)


TIMES: Final[dict[str, Test]] = {"td_lt": _less, "timediff_lt": _less, "td_gt": _greater, "timediff_gt": _greater}
WITHOUT_PATTERN: Final = frozenset({"exists", "nexists", "neq", "nequals"})
UNDECODED: Final = frozenset({"lt", "lessthan", "gt", "greaterthan", "exists", "nexists"})
OPERATORS: Final[dict[str, Test]] = {
    "matchwildcard": fnmatch.fnmatch,
    "matchregex": lambda value, pattern: regexes.found(pattern, value, re.DOTALL, whole_start=True),
    "regex": lambda value, pattern: regexes.found(pattern, value),
    "iregex": lambda value, pattern: regexes.found(pattern, value, re.IGNORECASE),
    "eq": _equal,
    "equals": _equal,
    "neq": _differ,
    "nequals": _differ,
    "ieq": _equal_folded,
    "iequals": _equal_folded,
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
