"""Whatever the table says, a constraint is never broken and no failure goes back and forth: random tables."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.failures import Kind
from orchestrator.domain.routes.choosing import Case, choose
from orchestrator.domain.routes.constraints import MEMORY_CLASSES, Classes, Constraints
from orchestrator.domain.routes.measures import Measured
from orchestrator.domain.routes.targets import HOME, Home, RouteTarget

if TYPE_CHECKING:
    from orchestrator.domain.routes.decisions import Decision

TABLES = 10_000
SEED = 20_251_128
REGIONS = ("eu", "us", "ap")
DATA = ("public", "internal", "secret")
CAN = ("tools", "vision", "audio")
DEPENDENCIES = ("model", "other", "third")
HEALTH = ("healthy", "suspect", "down", "recovering")
# Queues, and models, that targets of several names have.
SHARED = ("one", "two")
KINDS = tuple(Kind)
LEANING = (Kind.TRANSIENT, Kind.RATE_LIMITED, Kind.DEPENDENCY_DOWN)


def some(dice: Random, values: tuple[Any, ...]) -> Any:  # noqa: ANN401 - of whatever sort they are
    """Give one of some values, or None."""
    return dice.choice((*values, None))


def any_target(dice: Random, name: str) -> RouteTarget:
    """Make a target of which this and that is not said."""
    place = dice.choice(
        (
            {"queue": "celery"},
            {"queue": name},
            {"queue": dice.choice(SHARED)},
            {"exchange": "", "routing_key": dice.choice(SHARED)},
            {"exchange": "x", "routing_key": name},
            {"kwargs": {"model": dice.choice((name, *SHARED))}},
            {"queue": "celery", "kwargs": {"model": dice.choice(SHARED)}},
        )
    )
    return RouteTarget(
        name,
        dependency=some(dice, DEPENDENCIES),
        region=some(dice, REGIONS),
        data_class=some(dice, DATA),
        memory_class=some(dice, (*MEMORY_CLASSES, "huge")),
        capabilities=some(dice, ((), CAN[:1], CAN[1:], CAN)),
        context_tokens=some(dice, (1000, 8000, 200_000)),
        usd_per_million_tokens=some(dice, (Decimal(0), Decimal(1), Decimal("2.5"))),
        **place,
    )


def any_demand(dice: Random) -> Constraints:
    """Make constraints of which this and that is not demanded."""
    return Constraints(
        regions=some(dice, ((), REGIONS[:1], REGIONS[1:], REGIONS)),
        data_class=some(dice, (*DATA, "other")),
        context_tokens=some(dice, (1, 1000, 8001)),
        capabilities=dice.choice(((), (), CAN[:1], CAN[1:])),
        usd_per_million_tokens=some(dice, (Decimal(0), Decimal(2))),
        memory_class=some(dice, MEMORY_CLASSES),
        unknown=("unread",) if dice.random() < 0.05 else (),
    )


def any_case(dice: Random) -> Case:
    """Make a failure with one demand, two, or none."""
    home = Home(("", "celery"), some(dice, DEPENDENCIES), some(dice, MEMORY_CLASSES), recovered=dice.random() < 0.2)
    demands = tuple(any_demand(dice) for _ in range(dice.choice((0, 0, 1, 2))))
    return Case(
        dice.choice(KINDS),
        home,
        demands,
        hop_limit=dice.randint(1, 4),
        arguments_fixed="sealed" if dice.random() < 0.1 else None,
        classes=Classes(data=DATA if dice.random() < 0.5 else ()),
    )


def keeps(target: RouteTarget, demand: Constraints, data_order: tuple[str, ...]) -> bool:
    """Tell, worked out apart from the code, whether a target keeps constraints; what is missing does not."""
    told = [not demand.unknown]
    if demand.regions is not None:
        told.append(target.region in demand.regions)
    if demand.data_class is not None:
        allowed = data_order[data_order.index(demand.data_class) :] if demand.data_class in data_order else ()
        told.append(target.data_class in (allowed if data_order else (demand.data_class,)))
    if demand.context_tokens is not None:
        told.append((target.context_tokens or 0) >= demand.context_tokens)
    if demand.capabilities:
        told.append(target.capabilities is not None and set(demand.capabilities) <= set(target.capabilities))
    if demand.usd_per_million_tokens is not None:
        price = target.usd_per_million_tokens
        told.append(price is not None and price <= demand.usd_per_million_tokens)
    if demand.memory_class is not None:
        least = MEMORY_CLASSES.index(demand.memory_class)
        told.append(target.memory_class in MEMORY_CLASSES[least:])
    return all(told)


def place_of(target: RouteTarget, case: Case) -> str:
    """Say, worked out apart from the code, where a run is published, and with which arguments of the target's."""
    exchange, key = ("", target.queue) if target.queue else (target.exchange or "", target.routing_key or "")
    if not key:
        exchange, key = case.home.place
    return f"{exchange}/{key} {sorted(target.kwargs.items())}"


def check(decision: Decision, case: Case, health: dict[str, str]) -> None:
    """Hold what was chosen against everything that may never be broken."""
    chosen = decision.chosen
    assert all((each.place is None) == (each.refused is not None) for each in decision.candidates)
    if chosen is None:
        assert all(each.refused for each in decision.candidates)
        return
    if chosen.name == HOME:
        assert case.home.recovered
        assert case.kind in LEANING
        return
    assert all(keeps(chosen, each, case.classes.data) for each in case.demands)
    assert place_of(chosen, case) not in {place_of(each, case) for each in case.tried}
    assert len(case.tried) < case.hop_limit
    assert chosen.kwargs or chosen.place != case.home.place
    assert not (chosen.kwargs and case.arguments_fixed)
    leans_on = chosen.dependency or case.home.dependency
    assert health.get(leans_on or "") not in ("down", "recovering")
    if case.kind in LEANING:
        assert leans_on is not None
        assert leans_on != case.home.dependency
    if case.kind is Kind.RESOURCE:
        was = [case.home.memory_class, *(each.memory_class for each in case.tried)]
        assert all(MEMORY_CLASSES.index(chosen.memory_class or "") > MEMORY_CLASSES.index(each) for each in was if each)


def life(dice: Random) -> tuple[list[str], Case]:
    """Let one failure fail wherever it goes, while healths change; gives where it was, home included."""
    targets = [any_target(dice, f"t{number}") for number in range(dice.randint(0, 6))]
    case = any_case(dice)
    was: list[str] = []
    for _ in range(8):
        health = {name: dice.choice(HEALTH) for name in DEPENDENCIES if dice.random() < 0.8}
        case = replace(case, home=replace(case.home, recovered=dice.random() < 0.2 and bool(case.home.dependency)))
        measured = {f"t{number}": Measured(dice.randint(0, 30), 30) for number in range(6) if dice.random() < 0.5}
        decision = choose(targets, case, health.get, measured)
        check(decision, case, health)
        if decision.chosen is not None:
            was.append(HOME if decision.chosen.is_home else place_of(decision.chosen, case))
        if decision.chosen is not None and not decision.chosen.is_home:
            case = replace(case, tried=(*case.tried, decision.chosen))
    return was, case


def test_ten_thousand_random_tables_break_nothing() -> None:
    """Over 10,000 tables, each with a failure that fails on: no constraint broken, no return, no hop too many; and the
    run is no empty one.
    """
    dice = Random(SEED)
    chosen = homes = full = 0
    for _ in range(TABLES):
        was, case = life(dice)
        elsewhere = [place for place in was if place != HOME]
        assert len(elsewhere) == len(set(elsewhere)) <= case.hop_limit
        chosen += len(elsewhere)
        homes += len(was) - len(elsewhere)
        full += len(elsewhere) == case.hop_limit
    assert chosen > TABLES / 2
    assert homes > TABLES / 4
    assert full > TABLES / 50


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_failure_never_goes_back_and_forth(dice: Random) -> None:
    """Whatever fails and recovers in whichever order: no place is seen twice, under whatever name, nor too many."""
    was, case = life(dice)
    elsewhere = [place for place in was if place != HOME]
    assert len(elsewhere) == len(set(elsewhere)) <= case.hop_limit


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(("region", "data_class", "memory_class", "context_tokens")))
def test_leaving_out_what_is_demanded_only_closes(dice: Random, field: str) -> None:
    """A target of which less is known is never open where the one of which more is known was closed."""
    target, case = any_target(dice, "t0"), any_case(dice)
    health = {name: dice.choice(HEALTH) for name in DEPENDENCIES}
    before = choose([target], case, health.get, {})
    after = choose([replace(target, **{field: None})], case, health.get, {})
    assert before.candidates[1].refused is None or after.candidates[1].refused is not None
