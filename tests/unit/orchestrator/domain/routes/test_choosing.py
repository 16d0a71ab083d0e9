"""Choosing a target: what closes one, and which of the open ones goes first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from orchestrator.domain.failures import Kind
from orchestrator.domain.routes.choosing import SAME_PLACE, Case, choose
from orchestrator.domain.routes.constraints import Classes, Constraints
from orchestrator.domain.routes.decisions import Considered, Decision
from orchestrator.domain.routes.measures import ENOUGH, Measured, ordered
from orchestrator.domain.routes.targets import HOME, Home, RouteTarget

AT_HOME = Home(("", "celery"), "model", "small")
EU = RouteTarget(
    "eu",
    "llm-eu",
    kwargs={"model": "other"},
    dependency="eu-model",
    region="eu",
    data_class="internal",
    memory_class="large",
    capabilities=("tools", "vision"),
    context_tokens=8000,
    usd_per_million_tokens=Decimal(5),
)
DOWN = Case(Kind.DEPENDENCY_DOWN, AT_HOME)


def decided(
    *targets: RouteTarget, case: Case = DOWN, health: dict[str, str] | None = None, **measured: Measured
) -> Decision:
    """Choose among targets."""
    return choose(targets, case, (health or {}).get, measured)


def refused(decision: Decision, name: str) -> str:
    """Give why a candidate was refused."""
    (found,) = [each for each in decision.candidates if each.name == name]
    return found.refused or ""


DEMANDS: list[tuple[Constraints, dict[str, Any], str]] = [
    (Constraints(regions=("eu",)), {"region": "us"}, "region us is not allowed"),
    (Constraints(regions=()), {}, "region eu is not allowed"),
    (Constraints(data_class="internal"), {"data_class": "public"}, "data class public is not internal"),
    (Constraints(context_tokens=8000), {"context_tokens": 7999}, "takes 7999 tokens of context, and 8000 are needed"),
    (Constraints(capabilities=("tools", "audio")), {}, "cannot do audio"),
    (Constraints(usd_per_million_tokens=Decimal("4.99")), {}, "over the ceiling of 4.99"),
    (Constraints(memory_class="xlarge"), {}, "memory class large is below xlarge"),
    (Constraints(memory_class="huge"), {}, "memory class huge is none of"),
]


@pytest.mark.parametrize(("demand", "changes", "why"), DEMANDS)
def test_a_target_that_breaks_a_constraint_is_closed(demand: Constraints, changes: dict[str, Any], why: str) -> None:
    """Each constraint closes the target that breaks it, and the reason says which."""
    decision = decided(replace(EU, **changes), case=replace(DOWN, demands=(Constraints(), demand)))
    assert decision.chosen is None
    assert why in refused(decision, "eu")


@pytest.mark.parametrize(
    ("demand", "field"),
    [
        (Constraints(regions=("eu",)), "region"),
        (Constraints(data_class="internal"), "data_class"),
        (Constraints(context_tokens=8000), "context_tokens"),
        (Constraints(capabilities=("tools",)), "capabilities"),
        (Constraints(usd_per_million_tokens=Decimal(5)), "usd_per_million_tokens"),
        (Constraints(memory_class="large"), "memory_class"),
    ],
)
def test_a_target_of_which_the_data_is_missing_is_closed(demand: Constraints, field: str) -> None:
    """It is open with the data that just fits, and closed without."""
    case = replace(DOWN, demands=(demand,))
    assert decided(EU, case=case).chosen == EU
    decision = decided(replace(EU, **{field: None}), case=case)
    assert decision.chosen is None
    assert refused(decision, "eu") == f"its {field} is not declared"


def test_what_is_not_known_of_the_demand_closes_every_target() -> None:
    """A constraint whose argument could not be read, or was not read at all, holds for no target."""
    for demand in (Constraints(unknown=("no tokens",)), Constraints(arguments=(("context_tokens", "args.0"),))):
        assert decided(EU, case=replace(DOWN, demands=(demand,))).chosen is None


def test_a_place_takes_data_of_lower_classes_where_their_order_is_given() -> None:
    """Data goes to places of its own class or of a better protected one."""
    classes = Classes(data=("public", "internal", "secret"))
    for demanded, is_open in (("public", True), ("internal", True), ("secret", False), ("other", False)):
        case = replace(DOWN, demands=(Constraints(data_class=demanded),), classes=classes)
        assert (decided(EU, case=case).chosen is not None) is is_open


def test_a_target_that_is_down_or_leans_on_the_same_is_closed() -> None:
    """Nothing goes where the same dependency, or one that is down or behind its ramp, would fail it again."""
    same = [replace(EU, name="same", dependency="model"), replace(EU, name="own", dependency=None)]
    for health in ("down", "recovering"):
        decision = decided(EU, *same, health={"eu-model": health})
        assert decision.chosen is None
        assert refused(decision, "eu") == f"eu-model is {health}"
        assert refused(decision, "same") == refused(decision, "own") == "it leans on model as well"
        assert decision.waits
    for health in ("healthy", "suspect"):
        assert decided(EU, *same, health={"eu-model": health}).chosen == EU


def test_what_it_leans_on_has_to_be_known_for_a_failure_of_its_dependency() -> None:
    """Where neither the target nor the task says what it leans on, the target may be the same again: it is closed."""
    decision = decided(replace(EU, dependency=None), case=replace(DOWN, home=replace(AT_HOME, dependency=None)))
    assert refused(decision, "eu") == "its dependency is not declared"
    assert "nobody can tell its health" in refused(decision, HOME)
    assert not decision.waits


def test_what_ran_out_of_memory_goes_only_to_a_larger_class() -> None:
    """Never the same queue, and a class above that of every place where it ran out."""
    case = replace(DOWN, kind=Kind.RESOURCE, home=replace(AT_HOME, recovered=True))
    targets = [replace(EU, name=name, queue=name, memory_class=name) for name in ("small", "medium", "large")]
    same = replace(targets[2], name="same", queue="celery", kwargs={})
    decision = decided(*targets, same, replace(EU, name="unsaid", memory_class=None), case=case)
    assert [each.name for each in decision.candidates if not each.refused] == ["medium", "large"]
    assert refused(decision, "same") == "it is where the task was published, unchanged"
    assert refused(decision, HOME) == "it ran out of memory or time there"
    known = replace(case, home=replace(case.home, place=("x", "k"), queue="celery"))
    assert SAME_PLACE in refused(decided(same, case=known), "same")
    again = decided(*targets, case=replace(case, tried=(targets[1],)))
    assert [each.name for each in again.candidates if not each.refused] == ["large"]


def test_a_class_that_nobody_can_compare_closes_the_target() -> None:
    """Where the home's class is not declared, only a demanded class opens a target; an unknown one never does."""
    case = replace(DOWN, kind=Kind.RESOURCE, home=replace(AT_HOME, memory_class=None))
    assert refused(decided(EU, case=case), "eu") == "the memory_class of the home is not declared"
    assert decided(EU, case=replace(case, demands=(Constraints(memory_class="large"),))).chosen == EU
    assert decided(replace(EU, memory_class="huge"), case=replace(case, home=AT_HOME)).chosen is None


def test_a_failure_never_returns_to_a_target_and_stops_at_its_limit() -> None:
    """Where it was it does not go again; at its limit it goes nowhere but home."""
    others = [replace(EU, name=name, queue=name) for name in "abcd"]
    assert decided(*others, case=replace(DOWN, tried=tuple(others[:2]))).chosen == others[2]
    full = decided(*others, case=replace(DOWN, tried=tuple(others[:3])))
    assert full.chosen is None
    assert refused(full, "d") == "it was at 3 other places, and the limit is 3"
    assert full.hops == 3
    home = decided(*others, case=replace(DOWN, tried=tuple(others[:3]), home=replace(AT_HOME, recovered=True)))
    assert home.chosen is not None
    assert home.chosen.is_home


TWINS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"queue": "q"}, {"queue": "q"}, True),
    ({"queue": "q"}, {"exchange": "", "routing_key": "q"}, True),
    ({"queue": "q", "kwargs": {"a": 1, "b": 2}}, {"queue": "q", "kwargs": {"b": 2, "a": 1}}, True),
    ({"kwargs": {"a": 1}}, {"queue": "celery", "kwargs": {"a": 1}}, True),
    ({"queue": "q"}, {"queue": "p"}, False),
    ({"queue": "q"}, {"exchange": "x", "routing_key": "q"}, False),
    ({"queue": "q", "kwargs": {"a": 1}}, {"queue": "q", "kwargs": {"a": 2}}, False),
    ({"queue": "q", "kwargs": {"a": 1}}, {"queue": "q"}, False),
]


@pytest.mark.parametrize(("was", "other", "closed"), TWINS, ids=range(len(TWINS)))
def test_a_place_that_was_tried_is_tried_under_whatever_name(
    was: dict[str, Any], other: dict[str, Any], closed: bool
) -> None:
    """Exchange, routing key and arguments make the place; the name of the target does not."""
    tried = RouteTarget("tried", dependency="eu-model", **was)
    decision = decided(RouteTarget("other", dependency="eu-model", **other), case=replace(DOWN, tried=(tried,)))
    assert refused(decision, "other") == ("it failed there before" if closed else "")


def test_home_goes_before_everything_once_it_is_healthy_again() -> None:
    """A home that was found healthy since is chosen; until then the decision says what is waited for."""
    assert refused(decided(EU, health={"model": "down"}), HOME) == "model is down, and its gate is shut"
    decision = decided(EU, case=replace(DOWN, home=replace(AT_HOME, recovered=True)))
    assert decision.chosen == RouteTarget(HOME, dependency="model")
    assert [each.place for each in decision.candidates] == [1, 2]
    unknown = decided(EU, case=replace(DOWN, kind=Kind.UNKNOWN, home=replace(AT_HOME, recovered=True)))
    assert refused(unknown, HOME).startswith("it failed there, and for a failure that is unknown nothing tells")


def test_a_target_that_sets_arguments_is_closed_where_they_cannot_be_set() -> None:
    """Keyword arguments are part of the route: without them the task would not run what was decided."""
    decision = decided(EU, replace(EU, name="plain", kwargs={}), case=replace(DOWN, arguments_fixed="it is a pickle"))
    assert refused(decision, "eu") == "its keyword arguments cannot be set: it is a pickle"
    assert decision.chosen is not None
    assert decision.chosen.name == "plain"


def test_every_reason_is_told() -> None:
    """A refused candidate names all that closes it, and the decision's note names every candidate."""
    case = replace(DOWN, demands=(Constraints(regions=("us",), capabilities=("audio",)),))
    decision = decided(EU, case=case)
    assert refused(decision, "eu") == "region eu is not allowed (us); cannot do audio"
    assert decision.note.startswith("no route: home refused: model is unknown, and its gate is shut")
    assert decision.note.endswith("eu refused: region eu is not allowed (us); cannot do audio")
    assert decided().note.startswith("no route: home refused")
    assert Decision(None, ()).note == "no route: none is declared"
    assert Decision(EU, (Considered("eu", place=1),)).note == "goes to eu"


def names(*targets: RouteTarget, **measured: Measured) -> str:
    """Order targets and give their names in a row."""
    return "".join(each.name for each in ordered(targets, measured))


A, B, C = (replace(EU, name=name) for name in "ABC")


def test_the_better_measured_goes_first() -> None:
    """The lower bound of the share of success orders; what is close by goes by cost, then by time, then as declared."""
    assert names(A, B, A=Measured(60, 100), B=Measured(95, 100)) == "BA"
    cheap = replace(B, usd_per_million_tokens=Decimal(1))
    assert names(A, cheap, A=Measured(951, 1000), B=Measured(950, 1000)) == "BA"
    free = replace(A, usd_per_million_tokens=None)
    assert names(free, B, A=Measured(95, 100), B=Measured(95, 100)) == "BA"
    assert names(A, B, A=Measured(95, 100, 2.0), B=Measured(95, 100, 1.0)) == "BA"
    assert names(A, B, A=Measured(95, 100), B=Measured(95, 100, 1.0)) == "BA"
    assert names(A, B, A=Measured(95, 100, 1.0), B=Measured(95, 100, 1.0)) == "AB"


def test_what_is_little_measured_keeps_its_declared_place() -> None:
    """Measured targets share out the places that the others leave; one that is very likely bad goes last."""
    few, good, fair = Measured(ENOUGH - 1, ENOUGH - 1), Measured(ENOUGH * 5, ENOUGH * 5), Measured(70, 100)
    assert names(A, B, C, A=few, B=fair, C=good) == "ACB"
    assert names(A, B, C, A=fair, C=good) == "CBA"
    assert names(A, B, C, A=Measured(0, 3)) == "ABC"
    assert names(A, B, C, A=Measured(0, 4)) == "BCA"
    assert names(A, B, C, A=Measured(0, 4), B=Measured(20, 100)) == "CBA"


def test_the_bounds_are_those_of_wilson() -> None:
    """The interval is the published one (9 of 10: 0.596 to 0.982), and of nothing nothing is known."""
    assert Measured(9, 10).at_least == pytest.approx(0.5958, abs=1e-3)
    assert Measured(9, 10).at_most == pytest.approx(0.9821, abs=1e-3)
    assert (Measured().at_least, Measured().at_most) == (0.0, 1.0)
