"""What every ledger must do with releases and attempts: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.failures import Declaration, FailureState
from orchestrator.domain.release import Members, ReleaseCounts, ReleaseState
from orchestrator.domain.routes.decisions import Considered, Decision
from orchestrator.domain.routes.measures import Measured
from orchestrator.domain.routes.targets import HOME, RouteTarget
from orchestrator.domain.tallies import FirstRetry
from tests.recovery import NOON, attempt, failure, filed, move, release

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger

LATER = NOON + timedelta(hours=1)
EU = RouteTarget(
    "eu",
    exchange="x",
    routing_key="k",
    kwargs={"model": {"name": "other"}},
    dependency="eu-model",
    region="eu",
    data_class="internal",
    memory_class="large",
    capabilities=("tools",),
    context_tokens=8000,
    usd_per_million_tokens=Decimal("0.15"),
)


def test_a_release_comes_back_whole(ledger: SqlLedger) -> None:
    """Every field of a release survives; the same one stored again changes nothing."""
    made = release(filed(ledger, failure()).id, command_id=uuid4(), tries=3, note="so", ended_at=None)
    with ledger.transaction() as tx:
        tx.add_release(made)
        tx.add_release(replace(made, tries=9))
        assert tx.release(made.id) == made
        changed = replace(made, state=ReleaseState.FAILED, tries=4, gate_at=LATER, ended_at=LATER, note=None)
        tx.save_release(changed)
        assert tx.release(made.id) == changed
        assert tx.release(uuid4()) is None


def test_releases_are_listed_oldest_first_and_the_active_ones_apart(ledger: SqlLedger) -> None:
    """An incident lists all of its releases; only those that have not ended are active."""
    incident = filed(ledger, failure())
    states = [ReleaseState.RAMPING, ReleaseState.SUCCEEDED, ReleaseState.HOLDING, ReleaseState.FAILED]
    made = [
        release(incident.id, state=state, started_at=NOON + timedelta(seconds=number))
        for number, state in enumerate(states)
    ]
    with ledger.transaction() as tx:
        for each in reversed(made):
            tx.add_release(each)
        assert [each.id for each in tx.releases_of(incident.id)] == [each.id for each in made]
        assert [each.id for each in tx.active_releases()] == [made[0].id, made[2].id]


def test_a_release_moves_what_is_held_idempotent_and_unclaimed(ledger: SqlLedger) -> None:
    """An incident's release covers its held, idempotent, unclaimed failures; a person's covers what was named."""
    careless = failure(3, declaration=Declaration("model", idempotent=False))
    incident = filed(ledger, *(failure(number) for number in range(3)), careless)
    filed(ledger, failure(9), signature="another")
    ours, by_hand = release(incident.id), release(incident.id, command_id=uuid4())
    with ledger.transaction() as tx:
        tx.add_release(ours)
        tx.add_release(by_hand)
        assert tx.members(ours) == Members(held=3, in_flight=0)
        tx.claim([failure(0).id, careless.id], by_hand.id)
        assert tx.members(ours) == Members(held=2, in_flight=0)
        assert tx.members(by_hand) == Members(held=2, in_flight=0)
        assert {each.failure.task_id for each in tx.held(by_hand, 10, fresh=True)} == {"t0", "t3"}
        move(tx, [failure(1).id], FailureState.DEAD)
        assert [each.failure.task_id for each in tx.held(ours, 10, fresh=True)] == ["t2"]


def test_failures_go_in_order_of_their_tries_then_of_age(ledger: SqlLedger) -> None:
    """A former canary goes first, or last where fresh ones are asked for; the rest goes in order of age."""
    incident = filed(ledger, *(failure(number) for number in (2, 0, 1, 3)))
    ours = release(incident.id)
    with ledger.transaction() as tx:
        tx.add_release(ours)
        tried = attempt(failure(2), ours)
        tx.add_attempt(tried)
        tx.save_attempt(replace(tried, state=AttemptState.FAILED))
        move(tx, [failure(2).id], FailureState.HELD)
        assert [each.failure.task_id for each in tx.held(ours, 10, fresh=False)] == ["t2", "t0", "t1", "t3"]
        assert [each.failure.task_id for each in tx.held(ours, 10, fresh=True)] == ["t0", "t1", "t3", "t2"]
        assert [each.attempts for each in tx.held(ours, 2, fresh=False)] == [1, 0]


def test_giving_up_makes_everything_left_dead(ledger: SqlLedger) -> None:
    """What a release has still to move becomes dead and nobody's; the rest stays as it is."""
    incident = filed(ledger, *(failure(number) for number in range(3)))
    by_hand = release(incident.id, command_id=uuid4())
    with ledger.transaction() as tx:
        tx.add_release(by_hand)
        tx.claim([failure(0).id], by_hand.id)
        assert tx.give_up(by_hand, "so", NOON) == 1
        assert tx.give_up(by_hand, "so", NOON) == 0
        buried = tx.failure(failure(0).id)
        assert buried is not None
        assert (buried.state, buried.command_release_id) == (FailureState.DEAD, None)
        assert tx.dead_failures(incident.id) == 1
        assert tx.open_failures(incident.id) == 2
        assert tx.give_up(release(incident.id), "so", NOON) == 2
        assert tx.dead_failures(incident.id) == 3


def test_an_attempt_is_recorded_once(ledger: SqlLedger) -> None:
    """The first record releases the failure and counts; the same attempt again changes nothing."""
    incident = filed(ledger, failure())
    ours = release(incident.id)
    made = attempt(failure(), ours, execution_id="e-1")
    with ledger.transaction() as tx:
        tx.add_release(ours)
        tx.add_attempt(made)
        stored = tx.failure(failure().id)
        assert stored is not None
        assert (stored.state, stored.attempts) == (FailureState.RELEASED, 1)
        tx.save_attempt(replace(made, state=AttemptState.FAILED, ended_at=LATER, reason="no", duplicates=2))
        move(tx, [failure().id], FailureState.HELD)
        tx.add_attempt(made)
        again = tx.failure(failure().id)
        assert again is not None
        assert (again.state, again.attempts) == (FailureState.HELD, 1)
        found = tx.attempt(made.id)
        assert found == replace(made, state=AttemptState.FAILED, ended_at=LATER, reason="no", duplicates=2)
        assert tx.attempt(uuid4()) is None


def test_attempts_of_a_failure_are_listed_in_order(ledger: SqlLedger) -> None:
    """The attempts of one failure come first one first, those of others stay out."""
    incident = filed(ledger, failure(0), failure(1))
    ours = release(incident.id)
    with ledger.transaction() as tx:
        tx.add_release(ours)
        for number in (1, 2, 3):
            tx.add_attempt(attempt(failure(0), ours, number))
        tx.add_attempt(attempt(failure(1), ours))
        assert [each.number for each in tx.attempts_of(failure(0).id)] == [1, 2, 3]


def test_an_outcome_that_came_first_is_not_overwritten(ledger: SqlLedger) -> None:
    """Noting a publish changes recorded attempts alone: an outcome may be faster than the publisher."""
    incident = filed(ledger, failure(0), failure(1))
    ours = release(incident.id)
    slow, fast = attempt(failure(0), ours), attempt(failure(1), ours)
    with ledger.transaction() as tx:
        tx.add_release(ours)
        tx.add_attempt(slow)
        tx.add_attempt(fast)
        tx.save_attempt(replace(fast, state=AttemptState.SUCCEEDED, ended_at=NOON))
        tx.mark_published([slow.id, fast.id], LATER)
        tx.mark_published([], LATER)
        assert tx.attempt(slow.id) == replace(slow, state=AttemptState.PUBLISHED, published_at=LATER)
        assert tx.attempt(fast.id) == replace(fast, state=AttemptState.SUCCEEDED, ended_at=NOON)
        tx.mark_published([slow.id], LATER + timedelta(hours=1))
        assert tx.attempt(slow.id) == replace(slow, state=AttemptState.PUBLISHED, published_at=LATER)


def test_attempts_that_were_left_behind_are_found(ledger: SqlLedger) -> None:
    """Recorded ones without a publish, and published ones without an outcome, each after its time, oldest first."""
    incident = filed(ledger, *(failure(number) for number in range(4)))
    ours = release(incident.id)
    made = [attempt(failure(number), ours, recorded_at=NOON - timedelta(minutes=number)) for number in range(4)]
    with ledger.transaction() as tx:
        tx.add_release(ours)
        for each in made:
            tx.add_attempt(each)
        tx.mark_published([made[3].id], NOON)
        assert [each.id for each in tx.unpublished(NOON, 10)] == [made[2].id, made[1].id]
        assert [each.id for each in tx.unpublished(NOON, 1)] == [made[2].id]
        assert tx.without_outcome(NOON, 10) == []
        assert [each.id for each in tx.without_outcome(LATER, 10)] == [made[3].id]


def test_attempts_that_failed_with_what_nobody_told_are_found(ledger: SqlLedger) -> None:
    """Those in flight whose run is known to have ended, after their time; they are not without an outcome."""
    incident = filed(ledger, *(failure(number) for number in range(3)))
    ours = release(incident.id)
    made = [attempt(failure(number), ours) for number in range(3)]
    with ledger.transaction() as tx:
        tx.add_release(ours)
        for each in made:
            tx.add_attempt(each)
        flying = [replace(each, state=AttemptState.PUBLISHED, published_at=NOON) for each in made]
        tx.save_attempt(flying[0])
        tx.save_attempt(replace(flying[1], ended_at=NOON))
        tx.save_attempt(replace(flying[2], state=AttemptState.FAILED, ended_at=NOON))
    with ledger.transaction() as tx:
        assert [each.id for each in tx.unexplained(LATER, 10)] == [made[1].id]
        assert tx.unexplained(LATER, 0) == []
        assert tx.unexplained(NOON, 10) == []
        assert [each.id for each in tx.without_outcome(LATER, 10)] == [made[0].id]
        assert [each.id for each in tx.attempts_ended(incident.id, NOON, 10)] == [made[2].id]


def test_a_release_is_counted_by_its_attempts(ledger: SqlLedger) -> None:
    """Attempts in flight belong to a release's members; first attempts and successes are counted apart."""
    incident = filed(ledger, *(failure(number) for number in range(3)))
    ours, other = release(incident.id), release(incident.id)
    with ledger.transaction() as tx:
        tx.add_release(ours)
        tx.add_release(other)
        assert tx.release_counts(ours.id) == ReleaseCounts(0, 0, 0, 0)
        won, lost, flying = (attempt(failure(number), ours) for number in range(3))
        again = attempt(failure(1), ours, 2)
        for each in (won, lost, flying, again, attempt(failure(2), other, 7)):
            tx.add_attempt(each)
        for each, state in ((won, "succeeded"), (lost, "failed"), (again, "succeeded")):
            tx.save_attempt(replace(each, state=AttemptState(state)))
        assert tx.release_counts(ours.id) == ReleaseCounts(3, 1, 4, 2)
        assert tx.members(ours).in_flight == 1
        assert tx.members(other).in_flight == 1


def test_first_retries_are_told_with_what_belongs_beside_them(ledger: SqlLedger) -> None:
    """First attempts with and without an outcome, successes, failures never released, duplicate executions."""
    incident = filed(ledger, *(failure(number) for number in range(4)))
    ours = release(incident.id)
    with ledger.transaction() as tx:
        assert tx.first_retry() == FirstRetry(0, 0, 0, 4, 0)
        tx.add_release(ours)
        won, lost, flying = (attempt(failure(number), ours) for number in range(3))
        again = attempt(failure(1), ours, 2)
        for each in (won, lost, flying, again):
            tx.add_attempt(each)
        tx.save_attempt(replace(won, state=AttemptState.SUCCEEDED, duplicates=2))
        tx.save_attempt(replace(lost, state=AttemptState.FAILED))
        tx.save_attempt(replace(again, state=AttemptState.SUCCEEDED, duplicates=1))
        assert tx.first_retry() == FirstRetry(3, 1, 1, 1, 3)


def test_a_decision_comes_back_whole(ledger: SqlLedger) -> None:
    """Target, candidates, what was measured and why each was refused survive; so does that nothing was decided."""
    failed = failure()
    within = release(filed(ledger, failed).id)
    candidates = (
        Considered(HOME, "it is down", waits=True),
        Considered("eu", place=1, measured=Measured(3, 4, 1.5)),
        Considered("us", "region us is not allowed (eu)"),
    )
    bare = attempt(failed, within, 3)
    decided = attempt(failed, within, 1, decision=Decision(EU, candidates, 2))
    home = attempt(failed, within, 2, decision=Decision(RouteTarget(HOME), ()))
    with ledger.transaction() as tx:
        tx.add_release(within)
        for each in (decided, home, bare):
            tx.add_attempt(each)
    with ledger.transaction() as tx:
        assert tx.attempts_of(failed.id) == [decided, home, bare]
        tx.save_attempt(replace(decided, state=AttemptState.SUCCEEDED, ended_at=LATER))
        assert tx.attempt(decided.id) == replace(decided, state=AttemptState.SUCCEEDED, ended_at=LATER)


def ended(number: int, target: str, state: AttemptState, at: datetime, seconds: float | None = None) -> dict[str, Any]:
    """Say how an attempt at a target ended, and how many seconds after it was published."""
    published = None if seconds is None else at - timedelta(seconds=seconds)
    decision = Decision(RouteTarget(target, queue=target), ())
    return {"number": number, "decision": decision, "state": state, "ended_at": at, "published_at": published}


def test_targets_are_measured_by_what_ended_there(ledger: SqlLedger) -> None:
    """Counts per target since a time; the mean time is that of successes; home and what is under way count nowhere."""
    failed = failure()
    within = release(filed(ledger, failed).id)
    some = [
        ended(1, "eu", AttemptState.SUCCEEDED, LATER, 2),
        ended(2, "eu", AttemptState.SUCCEEDED, LATER, 4),
        ended(3, "eu", AttemptState.FAILED, LATER, 100),
        ended(4, "us", AttemptState.LOST, LATER),
        ended(5, "us", AttemptState.SUCCEEDED, NOON, 1),
        ended(6, HOME, AttemptState.SUCCEEDED, LATER, 1),
        ended(7, "us", AttemptState.PUBLISHED, LATER, 1),
    ]
    with ledger.transaction() as tx:
        tx.add_release(within)
        for each in some:
            tx.add_attempt(attempt(failed, within, **each))
        tx.add_attempt(attempt(failed, within, 8, state=AttemptState.SUCCEEDED, ended_at=LATER))
        assert tx.route_figures(LATER) == {"eu": Measured(2, 3, 3.0), "us": Measured(0, 1)}
        assert tx.route_figures(NOON)["us"] == Measured(1, 2, 1.0)
        assert tx.route_figures(LATER + timedelta(seconds=1)) == {}
