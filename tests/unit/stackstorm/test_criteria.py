"""Criteria of rules: each operator, the corners of the real rules engine, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.stackstorm.embedded.rules.criteria import OPERATORS, SEARCH, CriterionError, holds, parse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = (NOW - timedelta(hours=1)).isoformat()


def matches(operator: str, pattern: object, value: object) -> bool:
    """Evaluate one criterion on trigger.x."""
    return holds(parse({"trigger.x": {"type": operator, "pattern": pattern}}), {"x": value, "other": 1}, NOW)


@pytest.mark.parametrize(
    ("operator", "pattern", "value", "expected"),
    [
        ("eq", 3, 3, True),
        ("equals", "3", 3, False),
        ("neq", "a", "b", True),
        ("nequals", None, "b", True),
        ("ieq", "ABC", "abc", True),
        ("iequals", "ABC", "abd", False),
        ("contains", "bc", "abcd", True),
        ("contains", "b", ["a", "b"], True),
        ("icontains", "BC", "abcd", True),
        ("ncontains", "x", "abcd", True),
        ("incontains", "BC", "abcd", False),
        ("startswith", "ab", "abcd", True),
        ("istartswith", "AB", "abcd", True),
        ("endswith", "cd", "abcd", True),
        ("iendswith", "CD", "abcd", True),
        ("lt", 5, 3, True),
        ("lessthan", 5, 5, False),
        ("gt", 5, 7, True),
        ("greaterthan", 5, 5, False),
        ("matchwildcard", "open*", "openai", True),
        ("matchregex", "a.c", "a\nc and more", True),
        ("regex", "b+", "abbbc", True),
        ("iregex", "B+", "abc", True),
        ("td_lt", 7200, LONG_AGO, True),
        ("timediff_gt", 7200, LONG_AGO, False),
        ("exists", None, 0, True),
        ("nexists", None, None, True),
        ("in", ["transient", "unknown"], "transient", True),
        ("inside", "transient, unknown", "unknown", True),
        ("nin", ["a"], "b", True),
        ("ninside", ["a"], "a", False),
        ("EQ", 1, 1, True),
    ],
)
def test_operator(operator: str, pattern: object, value: object, expected: bool) -> None:
    """Each operator compares as the real rules engine's does, without converting types."""
    assert matches(operator, pattern, value) is expected


def test_a_missing_pattern_never_matches() -> None:
    """A comparison without a pattern is false, except for those that need none."""
    for operator in set(OPERATORS) - {"exists", "nexists", "neq", "nequals"}:
        assert matches(operator, None, "x") is False, operator


def test_all_criteria_must_hold() -> None:
    """Criteria are joined by and; `#` lets one path stand twice."""
    criteria = parse({"trigger.n#low": {"type": "gt", "pattern": 1}, "trigger.n#high": {"type": "lt", "pattern": 5}})
    assert holds(criteria, {"n": 3}, NOW)
    assert not holds(criteria, {"n": 7}, NOW)


def test_paths_reach_into_mappings_and_lists() -> None:
    """Dots, brackets with a number and brackets with a quoted key all lead on."""
    criteria = parse({"trigger.a.list[1]['the key']": {"type": "eq", "pattern": 1}})
    assert holds(criteria, {"a": {"list": [0, {"the key": 1}]}}, NOW)
    assert not holds(criteria, {"a": {"list": []}}, NOW)


def test_an_empty_payload_matches_no_criteria_but_a_rule_without_criteria() -> None:
    """A rule without criteria matches everything; one with criteria does not match an empty payload."""
    assert holds((), {}, NOW)
    assert not holds(parse({"trigger.x": {"type": "nexists"}}), {}, NOW)


@pytest.mark.parametrize(
    ("condition", "rows", "expected"),
    [
        ("any", [{"k": 1, "v": 1}, {"k": 2, "v": 2}], True),
        ("any", [{"k": 1, "v": 2}, {"k": 2, "v": 1}], False),
        ("all", [{"k": 1, "v": 1}, {"k": 1, "v": 1}], True),
        ("all", [{"k": 1, "v": 1}, {"k": 2, "v": 1}], False),
        ("any2any", [{"k": 9, "v": 9}, {"k": 1, "v": 9}], True),
        ("all2any", [{"k": 1, "v": 9}, {"k": 9, "v": 1}], True),
        ("all2any", [{"k": 1, "v": 9}, {"k": 9, "v": 9}], False),
    ],
)
def test_search(condition: str, rows: list[dict[str, int]], expected: bool) -> None:
    """A search looks at each row of a list; its condition says how many rows and how many patterns must hold."""
    pattern = {"item.k": {"type": "eq", "pattern": 1}, "item.v": {"type": "eq", "pattern": 1}}
    criteria = parse({"trigger.rows": {"type": SEARCH, "condition": condition, "pattern": pattern}})
    assert holds(criteria, {"rows": rows}, NOW) is expected


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"trigger.x": {"type": "nonsense", "pattern": 1}}, "one of the operators"),
        ({"trigger.x": {"type": "eq", "pattern": "{{ trigger.y }}"}}, "Jinja"),
        ({"x": {"type": "eq", "pattern": 1}}, "a path such as"),
        ({"trigger.x": {"type": "eq", "patern": 1}}, "type, pattern and condition"),
        ({"trigger.x": {"type": "search", "pattern": {}}}, "condition"),
        ({"trigger.x": {"type": "search", "condition": "any", "pattern": 1}}, "item"),
        ({"trigger.x": "eq"}, "a mapping"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_by_key(criteria: dict[str, Any], expected: str) -> None:
    """Unknown operators, paths and members are errors that name the key, never skipped."""
    with pytest.raises(CriterionError, match=expected) as caught:
        parse(criteria)
    assert caught.value.key in criteria


def test_a_comparison_of_unlike_types_raises() -> None:
    """The engine turns what a comparison raises into a failed enforcement; the function itself hides nothing."""
    with pytest.raises(TypeError):
        matches("lt", 5, "three")
