"""Retention: what closed long ago goes and is counted for good; what is open, and what it needs, stays whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from orchestrator.domain.approving import Otherwise
from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.commands import Mode
from orchestrator.domain.dispatches import DispatchState
from orchestrator.domain.failures import FailureState
from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.retention import Keep
from orchestrator.domain.searching import Judging
from orchestrator.flows.approving import Answer, Asking, answer, propose
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.retention import BATCH, Retention
from orchestrator.ledger.schema import metadata
from tests.recovery import NOON, ended_event, failed_event, failure, filed, move
from tests.scene import Scene
from tests.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.ledger.sql import SqlLedger

DAY = 86_400.0
KEEP = Keep(bodies=timedelta(days=7), rows=timedelta(days=90))


def purge(scene: Scene) -> int:
    """Purge what is due, batch by batch; gives the number of rows taken."""
    retention = Retention(scene.ledger, scene.clock, KEEP)
    return sum(iter(retention.run_once, 0))


def recovered(ledger: SqlLedger, failures: int = 1) -> Scene:
    """Give a scene in which an incident has recovered by redrives, a little after noon."""
    scene = Scene(ledger)
    scene.take_in(*(failed_event(number) for number in range(failures)))
    scene.plan()
    while scene.incident.state is not IncidentState.RECOVERED:
        scene.later(1)
        scene.take_in(*(ended_event(each, ended_at=scene.now.isoformat()) for each in scene.release()))
    scene.release()
    return scene


def rows(ledger: SqlLedger) -> dict[str, int]:
    """Count the rows of each table that has any."""
    with ledger.reading() as tx:
        return {name: size.rows for name, size in tx.measure().items() if size.rows}


def shown(ledger: SqlLedger, scene: Scene) -> tuple[Any, ...]:
    """Give what metrics and the API show of the whole ledger."""
    with ledger.reading() as tx:
        tallies = tx.tallies(scene.now)
        return tx.first_retry(), tx.failure_counts(), tallies.failures, tallies.attempts, tx.incident_counts()


def test_bodies_go_before_rows(ledger: SqlLedger) -> None:
    """After seven days the message of a recovered failure is empty; the rest is still told."""
    scene = recovered(ledger)
    scene.later(6 * DAY)
    assert purge(scene) == 0
    scene.later(2 * DAY)
    assert purge(scene) > 0
    (stored,) = scene.failures
    message = stored.failure.message
    assert (message.body, message.headers, message.routing_key) == (b"", {}, "celery")
    assert (stored.purged_at, stored.failure.exception.message) == (scene.now, "503 for call 0")
    assert purge(scene) == 0


def test_a_trigger_that_was_answered_loses_its_failure(ledger: SqlLedger) -> None:
    """The copy of a message in a settled trigger goes with the message; one that is still to be sent keeps it."""
    scene = recovered(ledger)
    first, *_ = scene.dispatches
    with ledger.transaction() as tx:
        tx.save_dispatch(replace(first, state=DispatchState.ENDED))
    scene.later(8 * DAY)
    purge(scene)
    now_first, *others = scene.dispatches
    assert (now_first.payload["failure"], now_first.payload["kind"]) == ({}, "transient")
    assert all(each.payload.get("failure") != {} for each in others)


def test_after_ninety_days_nothing_is_left_but_the_counts(ledger: SqlLedger) -> None:
    """Failures, attempts, releases, triggers, evidence and the incident go; what is shown and the audit stay."""
    scene = recovered(ledger, failures=3)
    assert scene.release() == []
    with ledger.transaction() as tx:
        tx.clear_outbox([number for number, _ in tx.outbox(1000)])
    before = shown(ledger, scene)
    scene.later(91 * DAY)
    assert purge(scene) > 0
    assert rows(ledger).keys() == {"totals", "dependencies", "audit"}
    assert shown(ledger, scene) == before
    assert before[0].first_successes == 3


def test_more_than_a_batch_goes_in_several(ledger: SqlLedger) -> None:
    """One transaction takes a bounded number of rows; the next takes the others."""
    made = filed(ledger, *(failure(number) for number in range(BATCH + 5)))
    with ledger.transaction() as tx:
        move(tx, [failure(number).id for number in range(BATCH + 5)], FailureState.RECOVERED)
    late = NOON + timedelta(days=91)
    with ledger.transaction() as tx:
        # The incident is open, so its first failure stays.
        assert [tx.purge_failures(late, BATCH), tx.purge_failures(late, BATCH), tx.purge_failures(late, BATCH)] == [
            BATCH,
            4,
            0,
        ]
        assert [each.failure.id for each in tx.failures_of(made.id, 10)] == [made.first_failure_id]


def test_a_dead_failure_can_be_replayed_until_its_row_goes(ledger: SqlLedger) -> None:
    """It keeps its body for as long as it is listed; then it goes, and its incident is closed, as discarded."""
    scene = Scene(ledger)
    scene.take_in(failed_event(0))
    with ledger.transaction() as tx:
        move(tx, [failure(0).id], FailureState.DEAD)
    scene.later(89 * DAY)
    assert purge(scene) == 0
    assert scene.failures[0].failure.message.body
    scene.later(2 * DAY)
    assert purge(scene) > 0
    assert (scene.incident.state, scene.incident.closed_at) == (IncidentState.DISCARDED, scene.now)
    assert "1 failures were listed as dead for 90 days" in (scene.incident.note or "")
    with ledger.reading() as tx:
        assert tx.failure_counts() == {"dead": 1}
        assert [event["data"].get("state") for _, event in tx.outbox(10)][-1] == "discarded"
    scene.later(91 * DAY)
    purge(scene)
    assert scene.incidents == []


def test_what_an_open_incident_tells_rules_stays_whole(ledger: SqlLedger) -> None:
    """Its first failure keeps row and body though it has recovered, for triggers still carry it."""
    scene = Scene(ledger)
    scene.take_in(failed_event(0), failed_event(1), failed_event(2))
    with ledger.transaction() as tx:
        move(tx, [failure(0).id, failure(1).id], FailureState.RECOVERED)
    scene.later(100 * DAY)
    purge(scene)
    assert [(each.failure.task_id, bool(each.failure.message.body)) for each in scene.failures] == [
        ("t0", True),
        ("t2", True),
    ]


def test_the_counts_of_a_release_outlive_its_attempts(ledger: SqlLedger) -> None:
    """A release of an incident that is still open tells the same first attempts and successes after a purge."""
    scene = Scene(ledger)
    scene.take_in(*(failed_event(number) for number in range(4)))
    scene.plan()
    for _ in range(3):
        scene.later(1)
        sent = scene.release()
        scene.take_in(*(ended_event(each, ended_at=scene.now.isoformat()) for each in sent[:1]))
    (before,) = scene.releases
    with ledger.reading() as tx:
        counts = tx.release_counts(before.id)
    scene.later(100 * DAY)
    purge(scene)
    with ledger.reading() as tx:
        assert tx.release_counts(before.id) == counts
        assert (counts.first_attempts, counts.first_successes) == (4, 2)
    assert len(scene.failures) < 4


def test_modes_and_keys_go_and_the_mode_that_holds_stays(ledger: SqlLedger) -> None:
    """Of the modes that were set the last one holds for ever."""
    with ledger.transaction() as tx:
        tx.set_mode(Mode.ACT, "ann", NOON)
        tx.set_mode(Mode.PAUSED, "ann", NOON)
        tx.take_key("k", "hash", NOON)
        tx.first_sight("somebody's#1", uuid4(), None, NOON)
        assert tx.purge_remains(NOON + timedelta(days=1), NOON + timedelta(days=91), 100) == 3
        assert tx.mode() is Mode.PAUSED


def test_evidence_of_counts_goes_soon(ledger: SqlLedger) -> None:
    """A worker counts each second: what belongs to no failure and no attempt is kept for an hour, not for months."""
    with ledger.transaction() as tx:
        tx.first_sight("of counts", None, None, NOON)
        tx.first_sight("of a failure", failure().id, None, NOON)
        tx.first_sight("of an attempt", None, uuid4(), NOON)
    hour = NOON + timedelta(hours=1)
    for now, gone in ((hour, 0), (hour + timedelta(seconds=1), 1)):
        with ledger.transaction() as tx:
            assert tx.purge_remains(NOON - timedelta(days=90), now, 100) == gone
    assert rows(ledger)["evidence"] == 2


def test_table_sizes_are_measured_and_told(ledger: SqlLedger) -> None:
    """Rows and bytes of each table, as of the last measure."""
    filed(ledger, *(failure(number) for number in range(50)))
    Retention(ledger, lambda: NOON, KEEP).measure()
    with ledger.reading() as tx:
        tables = tx.tallies(NOON).tables
    assert tables.keys() == set(metadata.tables)
    assert tables["failures"].rows == 50
    assert tables["failures"].bytes > tables["modes"].bytes >= 0


def keeps(tx: LedgerTx, scene: Scene) -> dict[Any, Any]:
    """Give all that is open with all that belongs to it, and the dead failures that are still to be listed."""
    kept: dict[Any, Any] = {}
    limit = scene.now - KEEP.rows
    for incident in tx.incidents([], 1000, None):
        mine = tx.failures_of(incident.id, 1000)
        for stored in mine:
            if stored.open or (stored.state is FailureState.DEAD and (stored.closed_at or limit) >= limit):
                kept[stored.failure.id] = _with_attempts(tx, stored)
        if any(stored.open for stored in mine):
            releases = [(each, tx.release_counts(each.id)) for each in tx.releases_of(incident.id)]
            first = tx.failure(incident.first_failure_id)
            kept[incident.id] = (incident, releases, tx.dispatches_of(incident.id), first)
    return kept


def _with_attempts(tx: LedgerTx, stored: StoredFailure) -> tuple[Any, ...]:
    attempts = tx.attempts_of(stored.failure.id)
    assert stored.tries == 0 or [each for each in attempts if each.turn == stored.tries]
    return stored, attempts, [tx.release(each.release_id) for each in attempts]


def walked(ledger: SqlLedger, seed: int, steps: int) -> Walk:
    """Walk, let months pass in between, purge now and then, and look at what is open before and after."""
    walk = Walk(seed, ledger)
    for _ in range(4):
        for _ in range(steps):
            walk.step()
        walk.scene.later(walk.dice.choice([0, 3, 30, 80, 120]) * DAY)
        with ledger.reading() as tx:
            open_before = keeps(tx, walk.scene)
        before = shown(ledger, walk.scene)
        purge(walk.scene)
        with ledger.reading() as tx:
            assert keeps(tx, walk.scene) == open_before
        after = shown(ledger, walk.scene)
        assert after[:4] == before[:4]
        assert sum(after[4].values()) == sum(before[4].values())
    return walk


@pytest.mark.parametrize("seed", range(2))
def test_no_purge_takes_what_is_open(ledger: SqlLedger, seed: int) -> None:
    """Whatever has happened: what is open is whole after a purge, and the counts are the same."""
    walked(ledger, seed, 15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_no_other_purge_does(ledger: SqlLedger, seed: int) -> None:
    """The same on many more histories; and what is left can recover."""
    walk = walked(ledger, seed, 40)
    walk.mend()
    walk.scene.later(91 * DAY)
    purge(walk.scene)  # closes those of which a purge before took what was dead
    assert {each.state for each in walk.scene.incidents} <= {IncidentState.RECOVERED, IncidentState.DISCARDED}


def test_an_attempt_in_flight_keeps_its_failure(ledger: SqlLedger) -> None:
    """A failure that has recovered while a redrive of it is still out stays until that has ended."""
    scene = Scene(ledger)
    scene.take_in(failed_event(0))
    scene.plan()
    scene.release()
    scene.later(1)
    (attempt,) = scene.release()
    with ledger.transaction() as tx:
        move(tx, [failure(0).id], FailureState.RECOVERED)
        assert tx.purge_failures(NOON + timedelta(days=91), 10) == 0
    assert scene.attempt(attempt).state is AttemptState.PUBLISHED


def test_a_stored_body_goes_with_the_last_failure_that_needs_it(ledger: SqlLedger) -> None:
    """It stays while another failure that is kept names it; a dead one needs it as long as its row is kept."""
    claim = {"url": "file:///claims/ab/abc", "bytes": 9, "sha256": "0" * 64}
    claiming = [replace(each, message=replace(each.message, body=b"", claim=claim)) for each in map(failure, range(2))]
    filed(ledger, *claiming, state=IncidentState.RECOVERED, closed_at=NOON)
    forgotten: list[str] = []

    def forget(named: Mapping[str, Any]) -> bool:
        forgotten.append(named["url"])
        return True

    retention = Retention(ledger, lambda: NOON + timedelta(days=8), KEEP, forget)
    with ledger.transaction() as tx:
        move(tx, [claiming[0].id], FailureState.RECOVERED)
    retention.run_once()
    assert forgotten == []
    with ledger.transaction() as tx:
        move(tx, [claiming[1].id], FailureState.DEAD)
    retention.run_once()
    assert forgotten == []
    replace(retention, clock=lambda: NOON + timedelta(days=91)).run_once()
    assert forgotten == [claim["url"]]


def test_a_stored_body_that_is_in_use_keeps_where_it_lies(ledger: SqlLedger) -> None:
    """Deletion says not now: the failure keeps its claim, and its row, until a later round has deleted the body."""
    claim = {"url": "file:///claims/ab/abc", "bytes": 9, "sha256": "0" * 64}
    claiming = replace(failure(0), message=replace(failure(0).message, body=b"", claim=claim))
    filed(ledger, claiming, failure(1), state=IncidentState.RECOVERED, closed_at=NOON)
    with ledger.transaction() as tx:
        move(tx, [claiming.id, failure(1).id], FailureState.RECOVERED)
    for days in (8, 91):
        busy = Retention(ledger, lambda days=days: NOON + timedelta(days=days), KEEP, lambda _claim: False)
        while busy.run_once():
            pass
        with ledger.reading() as tx:
            assert tx.failure(claiming.id).failure.message.claim == claim
    asked: list[str] = []
    free = replace(busy, forget=lambda each: asked.append(each["url"]) is None)
    while free.run_once():
        pass
    assert asked == [claim["url"]]
    with ledger.reading() as tx:
        assert tx.failure(claiming.id) is None


def test_what_was_answered_about_a_recovery_goes_once_that_has_gone(ledger: SqlLedger) -> None:
    """Not before, however old it is; what waits for an answer stays, and so does an answer of late."""
    scene = Scene(ledger)
    scene.take_in(failed_event(0))
    request = RetryRequest("ann", "it is back", incident_id=scene.incident.id)
    asking = Asking(timedelta(hours=1), Otherwise.REJECT, 1)
    with ledger.transaction() as tx:
        kept, waits = (propose(tx, request, asking, uuid4(), Judging(scene.now)).id for _ in range(2))
        answer(tx, kept, Answer(uuid4(), "bob", "not now", scene.now), Judging(scene.now))
        decided, over = tx.approval(kept), tx.recovery(kept)
        assert decided
        assert over
        tx.save_recovery(replace(over, ended_at=NOON + timedelta(days=1)))
        gone = replace(decided, recovery_id=uuid4())
        late = replace(gone, recovery_id=uuid4(), decided_at=NOON + timedelta(days=1))
        for each in (gone, late):
            tx.save_approval(each)
        assert tx.purge_remains(NOON + timedelta(seconds=1), NOON, 100) == 1
        assert {each.recovery_id for each in tx.approvals([], 9)} == {kept, waits, late.recovery_id}
        assert tx.purge_remains(NOON + timedelta(days=2), NOON, 100) == 3  # the recovery that is over, and two answers
        assert [each.recovery_id for each in tx.approvals([], 9)] == [waits]
