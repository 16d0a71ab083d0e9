"""Criteria of rules: what the real rules engine made of thousands of cases, and what is refused when a rule is read."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.stackstorm.embedded.rules import regexes, templates
from orchestrator.stackstorm.embedded.rules.criteria import CriterionError, Moment, Outcome, evaluate, parse
from orchestrator.stackstorm.embedded.rules.operators import OPERATORS

# Our inputs; a letter for what the real engine made of each payload: t it matches, f it does not, e it does not and a
# failed enforcement says why, T it matches though a comparison failed.
RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("criteria_cases.json").read_text())
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Datastore:
    """A datastore in which every key holds abc."""

    def __getattr__(self, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return "abc"


def outcome(criteria: dict[str, Any], payload: object) -> Outcome:
    """Evaluate criteria as they stand in a rule."""
    moment = Moment(NOW, {"st2kv": {"system": Datastore()}}, templates.text)
    return evaluate(parse(criteria), payload, moment)


def with_bytes(value: Any) -> Any:  # noqa: ANN401 any JSON value
    """Turn {"__bytes__": text} at any depth into bytes."""
    if isinstance(value, dict):
        if set(value) == {"__bytes__"}:
            return value["__bytes__"].encode()
        return {name: with_bytes(member) for name, member in value.items()}
    return [with_bytes(member) for member in value] if isinstance(value, list) else value


def test_every_recorded_case_ends_as_in_the_real_engine() -> None:
    """Every operator, on values and patterns of every type, paths, searches and templates: as recorded."""
    letters = {(True, False): "t", (False, False): "f", (False, True): "e", (True, True): "T"}
    different = []
    for family in RECORDED:
        payloads = [with_bytes(payload) for payload in family["payloads"]]
        for criteria, recorded in family["criteria"]:
            found = [outcome(with_bytes(criteria), payload) for payload in payloads]
            ours = "".join(letters[one.holds, bool(one.problems)] for one in found)
            if ours != recorded:
                different.append((criteria, recorded, ours))
    assert different == []


def test_the_recorded_cases_name_every_operator() -> None:
    """No operator is left out of the comparison, and each outcome is among the cases."""
    named = {spec["type"] for family in RECORDED for criteria, _ in family["criteria"] for spec in criteria.values()}
    assert named == {*OPERATORS, "search"}
    assert set("".join(text for family in RECORDED for _, text in family["criteria"])) == set("tfeT")


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"trigger.x": {"type": "nonsense", "pattern": 1}}, "one of the operators"),
        ({"trigger.x": {"type": "EQ", "pattern": 1}}, "one of the operators"),
        ({"trigger.x": {"pattern": 1}}, "expected a type"),
        ({"trigger.x": {"type": "exists"}}, "expected a pattern"),
        ({"trigger.x": {"type": "eq", "pattern": "{{ trigger.y | nope }}"}}, "Jinja"),
        ({"x": {"type": "eq", "pattern": 1}}, "a path such as"),
        ({"trigger.3x": {"type": "eq", "pattern": 1}}, "a path such as"),
        ({"trigger..x": {"type": "eq", "pattern": 1}}, "a path such as"),
        ({"trigger.x": {"type": "search", "pattern": {}}}, "condition"),
        ({"trigger.x": {"type": "search", "condition": "any", "pattern": 1}}, "item"),
        ({"trigger.x": "eq"}, "a mapping"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_by_key(criteria: dict[str, Any], expected: str) -> None:
    """Unknown operators, paths and conditions, and missing patterns, are errors that name the key, never skipped."""
    with pytest.raises(CriterionError, match=expected) as caught:
        parse(criteria)
    assert caught.value.key in criteria


def test_a_nested_criterion_is_refused_by_its_own_key() -> None:
    """The criteria inside a search are read when the rule is, not when a payload comes."""
    nested = {"item.x": {"type": "nonsense", "pattern": 1}}
    with pytest.raises(CriterionError) as caught:
        parse({"trigger.rows": {"type": "search", "condition": "any", "pattern": nested}})
    assert caught.value.key == "item.x"


@pytest.mark.parametrize(("pattern", "letters"), [("(a+)+$", 60), ("(a|aa)*$", 60), ("a?" * 30 + "a" * 30, 29)])
def test_a_regular_expression_that_runs_away_is_ended(pattern: str, letters: int) -> None:
    """It costs its time limit, not the server; the criterion does not hold, and says why."""
    before = time.monotonic()
    found = outcome({"trigger.x": {"type": "regex", "pattern": pattern}}, {"x": "a" * letters + "b"})
    assert not found.holds
    assert "was not decided within" in found.problems[0]
    assert time.monotonic() - before < regexes.LIMIT_SECONDS + 5


def test_a_long_text_is_searched_elsewhere_and_the_answer_is_the_same() -> None:
    """A pattern that could take long but does not is decided, in either way, also after another was ended."""
    text = "x" * 5000 + "needle"
    with pytest.raises(regexes.RegexTimeout):
        regexes.found("(a+)+$", "a" * 40 + "b")
    assert regexes.found("x+.*needle$", text)
    assert not regexes.found("x+thread", text)
    assert not regexes.found("needle", text, whole_start=True)
