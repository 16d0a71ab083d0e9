"""The operator's own rules: asked before the built-in ones, all conditions must hold, the reason names the rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.classify import BUILT_IN, Case, OwnRule, explain, judge
from orchestrator.domain.failures import ExceptionFacts, Kind, Way

FACTS = ExceptionFacts("shop.BankError", "bank says no: B-17", chain=("httpx.ReadTimeout",), status=409, code="B-17")
CASE = Case(Way.EXCEPTION, FACTS, ("shop.Never",), "shop.pay", "bank")


def rule(**conditions: Any) -> OwnRule:
    """Make a rule with these conditions."""
    return OwnRule("settings rule 1: bank", Kind.RATE_LIMITED, "the bank is closed at night", **conditions)


HOLD: list[dict[str, Any]] = [
    {"task": ("shop.*",)},
    {"task": ("other.*", "shop.pay")},
    {"dependency": ("ban?",)},
    {"type": ("BankError",)},
    {"type": ("shop.*Error",)},
    {"type": ("httpx.*",)},
    {"type": ("ReadTimeout",)},
    {"status": frozenset({409, 500})},
    {"code": ("b-*",)},
    {"captured": frozenset({Way.EXCEPTION})},
    {"says": lambda text: "says no" in text},
    {"task": ("shop.*",), "dependency": ("bank",), "status": frozenset({409})},
]
FAIL: list[dict[str, Any]] = [
    {"task": ("pay",)},
    {"task": ("SHOP.*",)},
    {"dependency": ("banks",)},
    {"type": ("Bank",)},
    {"type": ("shop.Bank",)},
    {"status": frozenset({500})},
    {"code": ("c-*",)},
    {"captured": frozenset({Way.TIME_LIMIT})},
    {"says": lambda text: "says yes" in text},
    {"task": ("shop.*",), "dependency": ("bank",), "status": frozenset({500})},
]


@pytest.mark.parametrize("conditions", HOLD, ids=" ".join)
def test_a_rule_whose_conditions_hold_tells(conditions: dict[str, Any]) -> None:
    """It goes before every built-in rule, and its name stands in the reason."""
    verdict = judge(CASE, (rule(**conditions),))
    assert (verdict.kind, verdict.rule) == (Kind.RATE_LIMITED, "settings rule 1: bank")
    assert verdict.told == "the bank is closed at night [settings rule 1: bank]"


@pytest.mark.parametrize("conditions", FAIL, ids=" ".join)
def test_a_rule_of_which_one_condition_fails_does_not_tell(conditions: dict[str, Any]) -> None:
    """The built-in rules decide then."""
    assert judge(CASE, (rule(**conditions),)) == judge(CASE)


def test_the_first_rule_that_holds_tells() -> None:
    """The order is that of the settings."""
    second = replace(rule(task=("*",)), name="settings rule 2", kind=Kind.TRANSIENT)
    assert judge(CASE, (rule(task=("shop.*",)), second)).kind is Kind.RATE_LIMITED
    assert judge(CASE, (rule(task=("other",)), second)).kind is Kind.TRANSIENT


def test_a_declaration_that_excludes_an_exception_goes_before_all_rules() -> None:
    """What the task's owner promised is not overruled by a broad rule of the settings."""
    case = replace(CASE, facts=replace(FACTS, type="shop.Never"))
    assert judge(case, (rule(task=("*",)),)).rule == "declared-never"


@pytest.mark.parametrize("way", sorted(set(Way) - {Way.EXCEPTION}))
def test_a_rule_about_a_task_alone_does_not_speak_of_lost_workers(way: Way) -> None:
    """A killed worker or an unreadable message is meant only by a rule that names it."""
    case = replace(CASE, captured=way)
    assert judge(case, (rule(task=("*",)),)) == judge(case)
    assert judge(case, (rule(task=("*",), captured=frozenset({way})),)).kind is Kind.RATE_LIMITED
    assert judge(case, (rule(type=("BankError",)),)).kind is Kind.RATE_LIMITED


def test_no_dependency_is_none_of_any_name() -> None:
    """A task that declared no dependency is not meant by a rule for all of them."""
    case = replace(CASE, dependency=None)
    assert judge(case, (rule(dependency=("*",)),)) == judge(case)


def test_the_words_of_what_lies_beneath_are_asked() -> None:
    """A message rule sees what the traceback shows of the exceptions beneath, and no other line of it."""
    text = (
        'httpx.ReadTimeout: quota is gone\n  File "x.py", line 1\n'
        '    raise Odd("as it is: quota_of_code")\nshop.BankError: no'
    )
    case = replace(CASE, facts=replace(FACTS, traceback=text))
    assert judge(case, (rule(says=lambda text: "quota is gone" in text),)).kind is Kind.RATE_LIMITED
    assert judge(case, (rule(says=lambda text: "quota_of_code" in text),)).kind is not Kind.RATE_LIMITED


def test_an_explanation_names_every_rule_that_was_asked_in_order() -> None:
    """All rules up to the one that told, which alone has a verdict; what an own rule reads is what was set."""
    own = rule(task=("other.*",), code=("x",))
    told = explain(CASE, (own,))
    names = [each.name for each in told.asked]
    assert names == ["declared-never", own.name, *[each.name for each in BUILT_IN][: len(names) - 2]]
    assert [each.verdict for each in told.asked if each.verdict] == [told.verdict]
    assert told.asked[-1].verdict == told.verdict
    assert told.asked[1].reads == "task = other.*; code = x"


def test_nobody_knows_is_said_after_all_were_asked() -> None:
    """Without any rule that knows the kind is unknown."""
    told = explain(Case(Way.EXCEPTION, ExceptionFacts("shop.Odd", "")))
    assert (told.verdict.kind, told.verdict.rule, len(told.asked)) == (Kind.UNKNOWN, "none", 1 + len(BUILT_IN))
