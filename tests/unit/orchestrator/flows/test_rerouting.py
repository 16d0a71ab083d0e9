"""Rerouting: what the plan, the table, the declaration, the message and the ledger say comes together in a decision."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.failures import Declaration, Kind
from orchestrator.domain.plan import Plan, PlanName, Route
from orchestrator.domain.routes.choosing import SAME_PLACE
from orchestrator.domain.routes.constraints import Constraints
from orchestrator.domain.routes.decisions import Decision
from orchestrator.domain.routes.reading import table_of
from orchestrator.domain.routes.targets import HOME, RouteTarget
from orchestrator.flows.rerouting import Router, leaned_on, route_of, route_of_attempt
from orchestrator.ledger.sql import SqlLedger
from tests.recovery import NOON, attempt, failure, filed, message, release

if TYPE_CHECKING:
    from orchestrator.domain.failures import Failure

TABLE = table_of(
    [
        {
            "task": "app.*",
            "targets": [
                {"name": "eu", "queue": "eu", "dependency": "eu-model", "region": "eu", "context_tokens": 100},
                {"name": "us", "queue": "us", "dependency": "us-model", "region": "us"},
            ],
        }
    ]
)
BY_TABLE = Plan(PlanName.REROUTE, "so", Route(table=True))


def decide(
    plan: Plan = BY_TABLE,
    failed: Failure | None = None,
    *tried: Decision,
    health: dict[str, str] | None = None,
    **more: Any,
) -> Decision:
    """Decide where a failure of the kind dependency_down goes that was at these targets before."""
    failed, ledger = failed or failure(), SqlLedger.in_memory()
    incident = filed(ledger, failed, kind=more.pop("kind", Kind.DEPENDENCY_DOWN))
    within = release(incident.id)
    with ledger.transaction() as tx:
        tx.add_release(within)
        for number, each in enumerate(tried, 1):
            tx.add_attempt(attempt(failed, within, number, decision=each, state=AttemptState.FAILED, ended_at=NOON))
        stored = tx.failure(failed.id)
        if before := more.pop("attempts_before", 0):
            stored = replace(stored, attempts_before=before)
        table = more.pop("table", TABLE)
        return Router(tx, table, NOON, (health or {}).get).decide(stored, plan, **more)


def chosen(decision: Decision) -> str | None:
    """Name the target that was chosen."""
    return decision.chosen.name if decision.chosen else None


def at(name: str) -> Decision:
    """Make the decision that sent a failure to a target."""
    return Decision(RouteTarget(name, queue=name), ())


def reasons(decision: Decision) -> dict[str, str | None]:
    """Give why each candidate was refused."""
    return {each.name: each.refused for each in decision.candidates}


def test_a_plan_without_a_route_decides_nothing() -> None:
    """A retry goes home, and nothing is stored of that."""
    assert decide(Plan(PlanName.RETRY, "so")) is None


def test_a_plan_with_one_place_has_one_candidate() -> None:
    """The decision is the plan's place, under the name of what it is."""
    decision = decide(Plan(PlanName.REROUTE, "so", Route("large", kwargs={"a": 1})))
    assert decision.chosen == RouteTarget("large a=1", queue="large", kwargs={"a": 1})
    assert route_of(decision) == Route("large", kwargs={"a": 1})
    exchange = decide(Plan(PlanName.REROUTE, "so", Route(exchange="x", routing_key="k")))
    assert route_of(exchange) == Route(exchange="x", routing_key="k")


def test_what_ran_out_of_memory_never_goes_to_the_same_queue_unchanged() -> None:
    """The plan's one place is closed where it is the queue in which it ran out; other arguments make it another."""
    same = Plan(PlanName.REROUTE, "so", Route("celery"))
    decision = decide(same, kind=Kind.RESOURCE)
    assert decision.chosen is None
    assert decision.note.startswith(f"no route: celery refused: {SAME_PLACE}")
    assert chosen(decide(same, kind=Kind.TRANSIENT)) == "celery"
    assert decide(replace(same, route=Route("celery", kwargs={"batch": 1})), kind=Kind.RESOURCE).chosen is not None
    by_exchange = failure(message=message(exchange="x", routing_key="k", queue="celery"))
    assert decide(same, by_exchange, kind=Kind.RESOURCE).chosen is None


def fixed(table: Any, place: Route, **more: Any) -> Decision:  # noqa: ANN401 - the documents of a table
    """Decide for a plan, or a person's command, that names one place, under a table."""
    return decide(Plan(PlanName.REROUTE, "so", place), table=table_of(table), **more)


EU_ONLY = {
    "task": "app.*",
    "targets": [
        {"name": "eu", "queue": "eu-queue", "region": "eu"},
        {"name": "us", "queue": "us-queue", "region": "us"},
        {"name": "turned", "kwargs": {"model": "m"}, "region": "eu"},
    ],
    "constraints": {"regions": ["eu"]},
}
PLACES = [
    (Route("eu-queue"), None),
    (Route(exchange="", routing_key="eu-queue"), None),
    (Route(kwargs={"model": "m"}), None),
    (Route("us-queue"), "region us is not allowed (eu)"),
    (Route("large"), "nothing is declared of it, and the table of routes demands: its region is not declared"),
    (Route("eu-queue", kwargs={"model": "m"}), "nothing is declared of it"),
    (Route(kwargs={"model": "n"}), "nothing is declared of it"),
]


@pytest.mark.parametrize(("place", "why"), PLACES, ids=range(len(PLACES)))
@pytest.mark.parametrize("kind", [Kind.RESOURCE, Kind.DEPENDENCY_DOWN])
def test_one_place_keeps_what_the_table_demands(place: Route, why: str | None, kind: Kind) -> None:
    """The place of a plan or a person is open where a target of that place and those arguments keeps the constraints;
    else it is closed with the reason.
    """
    decision = fixed([EU_ONLY], place, kind=kind)
    assert (decision.chosen is not None) is (why is None)
    assert (decision.note.startswith("goes to")) if why is None else (why in decision.note)
    assert not decision.waits


def test_one_place_is_open_where_nothing_is_demanded_of_the_task() -> None:
    """The pack's own queue for what ran out of memory needs no table; one without constraints, or for others, closes
    nothing.
    """
    large = Route("large")
    of_others = {**EU_ONLY, "task": "llm.*"}
    for table in ([], [{**EU_ONLY, "constraints": {}}], [of_others], [{"task": "app.*", "targets": ["other"]}]):
        assert chosen(fixed(table, large, kind=Kind.RESOURCE)) == "large"


def test_one_place_keeps_what_the_table_reads_from_an_argument_and_may_be_declared_by_the_task() -> None:
    """A demand that cannot be read closes the place; a route that the task declares is known, behind the table's."""
    table = [{"task": "app.*", "constraints": {"context_tokens": {"argument": "kwargs.tokens"}}}]
    small = ({"queue": "own", "dependency": "d", "context_tokens": 10},)
    declared = Declaration("model", idempotent=True, route=small)

    def of(kwargs: dict[str, Any]) -> Decision:
        body = json.dumps([[], kwargs, {}]).encode()
        return fixed(table, Route("own"), failed=failure(message=message(body=body), declaration=declared))

    assert chosen(of({"tokens": 10})) == "own"
    assert "takes 10 tokens of context, and 11 are needed" in of({"tokens": 11}).note
    assert "there is no 'tokens'" in of({}).note
    twin = [{**table[0], "targets": [{"name": "known", "queue": "own", "context_tokens": 5}]}]
    body = json.dumps([[], {"tokens": 10}, {}]).encode()
    known = fixed(twin, Route("own"), failed=failure(message=message(body=body), declaration=declared))
    assert "takes 5 tokens of context, and 10 are needed" in known.note


def test_the_plan_s_constraints_hold_beside_the_table_s() -> None:
    """Both close targets; the figures of a failed attempt at one do not open it."""
    assert chosen(decide()) == "eu"
    us = replace(BY_TABLE, route=Route(table=True, constraints=Constraints(regions=("us",))))
    assert chosen(decide(us)) == "us"
    table = table_of([{"task": "app.*", "constraints": {"regions": ["eu"]}}])
    both = replace(TABLE, rules=(*TABLE.rules, *table.rules))
    assert chosen(decide(us, table=both)) is None


def test_a_constraint_reads_the_task_s_own_argument() -> None:
    """What is needed stands in the message of each failure; where it does not, nothing is open."""
    needs = table_of([{"task": "app.call", "constraints": {"context_tokens": {"argument": "kwargs.tokens"}}}])
    table = replace(TABLE, rules=(*TABLE.rules, *needs.rules))

    def of(kwargs: dict[str, Any]) -> Decision:
        return decide(BY_TABLE, failure(message=message(body=json.dumps([[], kwargs, {}]).encode())), table=table)

    assert chosen(of({"tokens": 100})) == "eu"
    assert reasons(of({"tokens": 101}))["eu"] == "takes 100 tokens of context, and 101 are needed"
    assert "there is no 'tokens'" in str(reasons(of({}))["eu"])


def test_declared_routes_come_after_the_table_s() -> None:
    """What a task declares is open too; what cannot be read is a candidate that says so."""
    declared = Declaration("model", idempotent=True, route=({"queue": "own", "dependency": "d"}, {"que": "x"}))
    decision = decide(BY_TABLE, failure(declaration=declared))
    assert list(reasons(decision)) == [HOME, "eu", "us", "own", "declared route 2"]
    assert "got que (meant: queue?)" in str(reasons(decision)["declared route 2"])
    assert chosen(decide(BY_TABLE, failure(declaration=declared), table=table_of([]))) == "own"


def test_where_it_was_it_does_not_return() -> None:
    """Targets of this opening are closed, those of former ones are not, and home counts for nothing."""
    home = Decision(RouteTarget(HOME), ())
    assert chosen(decide(BY_TABLE, None, at("eu"))) == "us"
    assert chosen(decide(BY_TABLE, None, at("eu"), attempts_before=1)) == "eu"
    assert chosen(decide(BY_TABLE, None, at("us"), at("eu"), attempts_before=1)) == "us"
    one_hop = replace(BY_TABLE, route=Route(table=True, hop_limit=1))
    assert decide(one_hop, None, at("eu")).chosen is None
    assert chosen(decide(one_hop, None, home)) == "eu"
    assert decide(BY_TABLE, None, at("eu"), at("us")).hops == 2


def test_health_decides_between_home_and_elsewhere() -> None:
    """While the gate at home is shut it goes to what is not down; once it lets it through, home."""
    assert chosen(decide(health={"eu-model": "down"})) == "us"
    down = decide(health={"eu-model": "down", "us-model": "down", "model": "down"})
    assert down.chosen is None
    assert down.waits
    home = decide(home_open=True)
    assert chosen(home) == HOME
    assert route_of(home) is None


def test_what_was_measured_orders_the_open_ones() -> None:
    """A target at which the last attempts of others failed goes last; what is older than a day is forgotten."""
    ledger = SqlLedger.in_memory()
    made = filed(ledger, *(failure(number) for number in range(5)), kind=Kind.DEPENDENCY_DOWN)
    within = release(made.id)
    with ledger.transaction() as tx:
        tx.add_release(within)
        for number in range(4):
            failed = attempt(failure(number), within, decision=at("eu"), state=AttemptState.FAILED, ended_at=NOON)
            tx.add_attempt(failed)
        stored = tx.failure(failure(4).id)
        soon, late = NOON + timedelta(hours=1), NOON + timedelta(hours=25)
        assert chosen(Router(tx, TABLE, soon, {}.get).decide(stored, BY_TABLE)) == "us"
        assert chosen(Router(tx, TABLE, late, {}.get).decide(stored, BY_TABLE)) == "eu"


def test_an_attempt_is_published_where_its_decision_says() -> None:
    """The stored decision counts, also after the plan has changed; an attempt without one went where its plan said."""
    within = release(filed(SqlLedger.in_memory(), failure()).id)
    plan = Plan(PlanName.REROUTE, "so", Route("large"))
    assert route_of_attempt(attempt(failure(), within), plan) == Route("large")
    assert route_of_attempt(attempt(failure(), within, decision=at("eu")), plan) == Route("eu")
    assert route_of_attempt(attempt(failure(), within, decision=Decision(RouteTarget(HOME), ())), plan) is None


@pytest.mark.parametrize(("own", "leans_on"), [("eu-model", "eu-model"), (None, "model")])
def test_a_run_leans_on_its_target_s_dependency(own: str | None, leans_on: str) -> None:
    """What a rerouted run tells speaks of what it leaned on there."""
    within = release(filed(SqlLedger.in_memory(), failure()).id)
    decision = Decision(RouteTarget("eu", queue="eu", dependency=own), ())
    assert leaned_on(attempt(failure(), within, decision=decision), "model") == leans_on
    assert leaned_on(attempt(failure(), within), "model") == "model"
