"""What every ledger must do with failures and incidents: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from orchestrator.domain.failures import Declaration, ExceptionFacts, FailureState, Kind
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.plan import Gate, Pace, Plan, PlanName, Route
from orchestrator.domain.routes.constraints import Constraints
from orchestrator.domain.schedule import Misfire, Rung, Schedule
from orchestrator.ledger.codec import plan_from_json, plan_to_json
from orchestrator.ledger.route_codec import route_from_json
from tests.recovery import NOON, RETRY, failure, filed, held, incident, message, move, release

SCHEDULE = Schedule(
    "0 9 * * 1", "Europe/Berlin", ("22:00-06:00",), ("2026-12-24",), (Rung(3, "0 * * * *"),), Misfire.CATCH_UP, 5.0
)

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger


class Broken(Exception):
    """Something that goes wrong inside a transaction."""


def test_a_block_that_raises_leaves_nothing_behind(ledger: SqlLedger) -> None:
    """A transaction commits as one: what was written before an error is gone after it."""
    made = incident()
    with pytest.raises(Broken), ledger.transaction() as tx:  # noqa: PT012 - the write before the error is the point
        tx.add_incident(made)
        tx.add_failure(held(failure(), made))
        raise Broken
    with ledger.transaction() as tx:
        assert tx.incident(made.id) is None
        assert tx.failure(failure().id) is None


def test_a_transaction_reads_what_it_has_written(ledger: SqlLedger) -> None:
    """Reads inside a transaction see its own writes, before anybody else does."""
    made = incident()
    with ledger.transaction() as tx:
        tx.add_incident(made)
        assert tx.incident(made.id) == made


def test_a_ledger_that_answers_is_ready(ledger: SqlLedger) -> None:
    """`ready` raises nothing where the tables can be read."""
    ledger.ready()


def test_an_event_is_evidence_once(ledger: SqlLedger) -> None:
    """The first sight of an event is True, each later one False, in the same transaction and in others."""
    with ledger.transaction() as tx:
        assert tx.first_sight("worker#1", failure().id, None, NOON)
        assert not tx.first_sight("worker#1", failure().id, None, NOON)
        assert tx.first_sight("worker#2", None, uuid4(), NOON)
    with ledger.transaction() as tx:
        assert not tx.first_sight("worker#1", None, None, NOON)


def test_evidence_of_a_transaction_that_failed_counts_for_nothing(ledger: SqlLedger) -> None:
    """An event that was filed and then rolled back is new the next time."""
    with pytest.raises(Broken), ledger.transaction() as tx:  # noqa: PT012 - the write before the error is the point
        tx.first_sight("worker#1", None, None, NOON)
        raise Broken
    with ledger.transaction() as tx:
        assert tx.first_sight("worker#1", None, None, NOON)


def test_a_failure_comes_back_whole(ledger: SqlLedger) -> None:
    """Body bytes, headers, properties, exception and declaration survive the store unchanged."""
    given = failure(
        attempt_id=uuid4(),
        message=message(body=bytes(range(256)), headers={"naïve": ["ü", None, 1.5, {"deep": "\x00"}]}, exchange="work"),
        exception=ExceptionFacts("a.B", "naïve\nmessage", "trace", ("builtins.OSError",), 429, 1.5),
        declaration=Declaration(None, idempotent=False),
    )
    made = filed(ledger, given, kind=Kind.RATE_LIMITED)
    with ledger.transaction() as tx:
        stored = tx.failure(given.id)
        assert stored is not None
        assert stored.failure == given
        assert (stored.incident_id, stored.kind, stored.state) == (made.id, Kind.RATE_LIMITED, FailureState.HELD)
        assert (stored.idempotent, stored.attempts, stored.command_release_id) == (False, 0, None)
        assert tx.failure(uuid4()) is None


def test_a_task_is_found_by_its_newest_failure(ledger: SqlLedger) -> None:
    """A task's id gives the failure that happened last."""
    older, newer = failure(1, task_id="t"), failure(2, task_id="t")
    filed(ledger, newer, older)
    with ledger.transaction() as tx:
        found = tx.failure_of_task("t")
        assert found is not None
        assert found.failure.id == newer.id
        assert tx.failure_of_task("nobody") is None


def test_failures_move_between_states_and_are_counted(ledger: SqlLedger) -> None:
    """A state set for some failures leaves the others alone; counts follow."""
    some = [failure(number) for number in range(4)]
    made = filed(ledger, *some)
    with ledger.transaction() as tx:
        assert tx.open_failures(made.id) == 4
        move(tx, [some[0].id], FailureState.RECOVERED)
        move(tx, [some[1].id], FailureState.DEAD)
        move(tx, [some[2].id], FailureState.RELEASED)
        move(tx, [], FailureState.DEAD)
        assert tx.open_failures(made.id) == 2
        assert tx.failure_counts() == {"recovered": 1, "dead": 1, "released": 1, "held": 1}
        assert tx.open_failures(uuid4()) == 0


def test_failures_of_an_incident_are_listed_oldest_first(ledger: SqlLedger) -> None:
    """An incident lists its own failures, oldest first, as many as asked for."""
    some = [failure(number) for number in (3, 1, 2)]
    made = filed(ledger, *some)
    filed(ledger, failure(9), signature="another")
    with ledger.transaction() as tx:
        assert [each.failure.task_id for each in tx.failures_of(made.id, 10)] == ["t1", "t2", "t3"]
        first, second = tx.failures_of(made.id, 2)
        assert [first.failure.task_id, second.failure.task_id] == ["t1", "t2"]
        assert [each.failure.task_id for each in tx.failures_of(made.id, 2, second.failure.id)] == ["t3"]


def test_failures_are_paged_without_a_gap_or_a_repeat(ledger: SqlLedger) -> None:
    """Pages of failures follow each other, also where many happened in the same instant."""
    some = [failure(number, occurred_at=NOON + timedelta(seconds=number // 4)) for number in range(9)]
    made = filed(ledger, *some)
    with ledger.transaction() as tx:
        found, after = [], None
        while page := tx.failures_of(made.id, 2, after):
            found += [each.failure.id for each in page]
            after = found[-1]
    assert len(found) == 9
    assert set(found) == {each.id for each in some}


def test_a_plan_of_before_there_were_windows_is_read() -> None:
    """In an older row expression and time zone stand in the gate itself; without an expression there is no schedule."""
    old = plan_to_json(RETRY)
    assert old["gate"].pop("schedule") is None
    gate = old["gate"] | {"cron": "0 9 * * 1", "timezone": "Europe/Berlin"}
    assert plan_from_json(old | {"gate": gate}).gate.schedule == Schedule("0 9 * * 1", "Europe/Berlin")
    assert plan_from_json(old | {"gate": gate | {"cron": None}}) == RETRY


def test_an_incident_comes_back_whole(ledger: SqlLedger) -> None:
    """Every field of an incident survives, with the whole plan: route, pace, gate, time, schedule."""
    gate = Gate(0.5, 1.5, 60.0, 7, at=NOON, schedule=SCHEDULE)
    plan = Plan(PlanName.REROUTE, "larger", Route("big"), Pace(3), gate, "e-9")
    made = incident(plan=plan, note="naïve", dependency=None, state=IncidentState.PLANNED)
    with ledger.transaction() as tx:
        tx.add_incident(made)
    changed = replace(made, size=12, revision=3, state=IncidentState.RECOVERED, closed_at=NOON, note=None, plan=RETRY)
    with ledger.transaction() as tx:
        assert tx.incident(made.id) == made
        tx.save_incident(changed)
        assert tx.incident(made.id) == changed
        assert tx.incident(uuid4()) is None


ROUTES = [
    Route("big"),
    Route(exchange="x", routing_key="", kwargs={"model": {"name": "other"}}),
    Route(table=True),
    Route(
        table=True,
        constraints=Constraints(
            ("eu",), "internal", None, ("tools",), Decimal("0.15"), "large", (("context_tokens", "kwargs.n"),), ("so",)
        ),
        hop_limit=2,
    ),
    Route(table=True, constraints=Constraints(regions=())),
]


@pytest.mark.parametrize("route", ROUTES, ids=["queue", "exchange", "table", "constraints", "no region"])
def test_a_route_comes_back_whole(ledger: SqlLedger, route: Route) -> None:
    """Every field of a plan's route survives, with its constraints, and a price is no float."""
    made = incident(plan=Plan(PlanName.REROUTE, "so", route), state=IncidentState.PLANNED)
    with ledger.transaction() as tx:
        tx.add_incident(made)
    with ledger.transaction() as tx:
        assert tx.incident(made.id) == made


def test_a_route_of_a_former_version_is_read() -> None:
    """A row that was written when a route was a queue and nothing else still is that route."""
    assert route_from_json({"queue": "big"}) == Route("big")


def test_an_open_incident_is_found_by_signature_and_dependency(ledger: SqlLedger) -> None:
    """Both have to be the same, no dependency being one of its own; a closed incident takes nothing in."""
    with_one, without = incident(signature="s", dependency="d"), incident(signature="s", dependency=None)
    with ledger.transaction() as tx:
        tx.add_incident(with_one)
        tx.add_incident(without)
        assert tx.open_incident("s", "d") == with_one
        assert tx.open_incident("s", None) == without
        assert tx.open_incident("s", "other") is None
        assert tx.open_incident("other", "d") is None
        tx.save_incident(replace(with_one, state=IncidentState.RECOVERED, closed_at=NOON))
        assert tx.open_incident("s", "d") is None


def test_one_incident_at_a_time_takes_failures_in(ledger: SqlLedger) -> None:
    """A second open incident for the same failures is not stored, and says so; after the first has closed, it is."""
    first, second = incident(), incident()
    with ledger.transaction() as tx:
        assert tx.add_incident(first)
        assert not tx.add_incident(second)
        assert tx.incident(second.id) is None
        tx.save_incident(replace(first, state=IncidentState.RECOVERED, closed_at=NOON))
        assert tx.add_incident(second)
        assert tx.incident_counts() == {"recovered": 1, "open": 1}


def test_incidents_are_paged_newest_first(ledger: SqlLedger) -> None:
    """Pages follow each other without a gap or a repeat, also where two were opened in the same instant."""
    made = [incident(signature=str(number), opened_at=NOON + timedelta(seconds=number // 2)) for number in range(5)]
    with ledger.transaction() as tx:
        for each in made:
            tx.add_incident(each)
        pages, after = [], None
        while page := tx.incidents([], 2, after):
            pages.append([each.signature for each in page])
            after = page[-1].id
    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(each for page in pages for each in page) == ["0", "1", "2", "3", "4"]
    assert pages[0][0] == "4"
    assert pages[-1][0] in ("0", "1")


def test_incidents_are_filtered_by_state(ledger: SqlLedger) -> None:
    """Only incidents in the states asked for are listed."""
    planned, waiting = incident(state=IncidentState.PLANNED), incident(signature="w", state=IncidentState.WAITING)
    with ledger.transaction() as tx:
        for each in (planned, waiting, incident(signature="o")):
            tx.add_incident(each)
        states = [IncidentState.PLANNED, IncidentState.WAITING]
        assert {each.id for each in tx.incidents(states, 10, None)} == {planned.id, waiting.id}


def test_a_planned_incident_without_a_release_is_found(ledger: SqlLedger) -> None:
    """It needs a release when it is planned, holds an idempotent unclaimed failure, and nothing active moves it."""
    planned = filed(ledger, failure(0), failure(1), signature="p", state=IncidentState.PLANNED, plan=RETRY)
    filed(ledger, failure(2), signature="open")
    filed(
        ledger, failure(3, declaration=Declaration("m", idempotent=False)), signature="n", state=IncidentState.PLANNED
    )
    with ledger.transaction() as tx:
        assert [each.id for each in tx.without_release()] == [planned.id]
        moving = release(planned.id)
        tx.add_release(moving)
        assert tx.without_release() == []
        tx.save_release(replace(moving, state=type(moving.state).SUCCEEDED, ended_at=NOON))
        assert [each.id for each in tx.without_release()] == [planned.id]


def test_what_people_claimed_or_moved_needs_no_release(ledger: SqlLedger) -> None:
    """A person's release is not the incident's; claimed and released failures are not the incident's to move."""
    planned = filed(ledger, failure(0), failure(1), state=IncidentState.PLANNED, plan=RETRY)
    by_hand = release(planned.id, command_id=uuid4())
    with ledger.transaction() as tx:
        tx.add_release(by_hand)
        tx.claim([failure(0).id], by_hand.id)
        assert [each.id for each in tx.without_release()] == [planned.id]
        move(tx, [failure(1).id], FailureState.RELEASED)
        assert tx.without_release() == []
        tx.claim([failure(0).id], None)
        assert [each.id for each in tx.without_release()] == [planned.id]
