"""What every ledger must do for recoveries: select, judge, claim, count, give back; and forget without losing count."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from orchestrator.domain.commands import CommandKind
from orchestrator.domain.eligibility import expired, refusal, refusal_of
from orchestrator.domain.failures import ExceptionFacts, FailureState, Kind
from orchestrator.domain.recoveries import Order, Progress, Recovery, RecoveryState
from orchestrator.domain.searching import Judging, Why
from orchestrator.domain.selection import Selection
from orchestrator.ledger.codec import queue_of
from tests.recovery import NOON, RETRY, attempt, failure, filed, held, message, move, release

if TYPE_CHECKING:
    from uuid import UUID

    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.searching import FailureLine
    from orchestrator.ledger.sql import SqlLedger

LATER = NOON + timedelta(hours=1)
JUDGING = Judging(LATER)
ALL = Selection(task="*")


def recovery(**changes: Any) -> Recovery:
    """Make a recovery of all there is."""
    made = Recovery(uuid4(), RecoveryState.RUNNING, "ann", "now", CommandKind.RETRY, NOON, ALL, RETRY)
    return replace(made, **changes)


def claimed(tx: LedgerTx, incident_id: UUID, **changes: Any) -> Recovery:
    """Store a recovery with one release, and claim what it means."""
    made = recovery(**changes)
    tx.add_recovery(made)
    tx.add_release(release(incident_id, command_id=made.id, newest=made.order is Order.NEWEST))
    tx.claim_selected(made, JUDGING)
    return made


def test_a_recovery_is_read_back_as_it_was_stored(ledger: SqlLedger) -> None:
    """With all of its selection; changed, and listed newest first behind another."""
    selection = Selection(
        frozenset({uuid4(), uuid4()}), uuid4(), "a*", "q", Kind.TRANSIENT, "s", "d", "o", NOON, LATER, {"x": "1"},
        frozenset({FailureState.HELD}),
    )  # fmt: skip
    first = recovery(
        selection=selection, forced=True, order=Order.NEWEST, limit=3, edits={"n": 1}, incident_id=uuid4(), note="ü",
        prediction={"enough": False},
    )  # fmt: skip
    second = recovery(created_at=LATER, state=RecoveryState.PAUSED)
    with ledger.transaction() as tx:
        tx.add_recovery(first)
        tx.add_recovery(second)
        tx.save_recovery(replace(first, state=RecoveryState.DONE, ended_at=LATER))
    with ledger.reading() as tx:
        assert tx.recovery(first.id) == replace(first, state=RecoveryState.DONE, ended_at=LATER)
        assert [each.id for each in tx.recoveries([], 10)] == [second.id, first.id]
        assert [each.id for each in tx.recoveries([], 10, second)] == [first.id]
        assert [each.id for each in tx.recoveries([RecoveryState.PAUSED], 10)] == [second.id]
        assert tx.recovery(uuid4()) is None


@pytest.mark.parametrize(
    ("glob", "matched"),
    [
        ("*", {"app.call", "App.call", "app_call", "a%c", "a[c]", "a\\c", "a*c"}),
        ("app.call", {"app.call"}),
        ("app.*", {"app.call"}),
        ("app?call", {"app.call", "app_call"}),
        ("app_*", {"app_call"}),
        ("a%*", {"a%c"}),
        ("a[c]*", {"a[c]"}),
        ("a\\?", {"a\\c"}),
        ("a*c", {"a%c", "a\\c", "a*c"}),
        ("A*", {"App.call"}),
        ("", set()),
    ],
)
def test_a_glob_has_two_signs_and_nothing_else(ledger: SqlLedger, glob: str, matched: set[str]) -> None:
    """`*` is any text, `?` one character; all else stands for itself, in its case, on every database."""
    tasks = ["app.call", "App.call", "app_call", "a%c", "a[c]", "a\\c", "a*c"]
    filed(ledger, *(failure(number, task=task) for number, task in enumerate(tasks)))
    with ledger.reading() as tx:
        assert {each.task for each in tx.found(Selection(task=glob), 100)} == matched


def test_all_that_is_selected_by_must_hold(ledger: SqlLedger) -> None:
    """Ids, incident, state, dependency, signature, queue, kind, time, arguments, organisation; pages in order."""
    mine = filed(
        ledger,
        failure(0, organization="acme", arguments={"tenant": "t1"}),
        failure(1, message=message(1, queue="fast")),
        failure(2),
    )
    other = filed(ledger, failure(3), signature="other", dependency="till", kind=Kind.PERMANENT)
    with ledger.transaction() as tx:
        move(tx, [failure(2).id], FailureState.DEAD)

    def numbers(selection: Selection) -> list[str]:
        with ledger.reading() as tx:
            return [each.task_id for each in tx.found(selection, 100)]

    assert numbers(Selection(ids=frozenset({failure(1).id, failure(3).id, uuid4()}))) == ["t1", "t3"]
    assert numbers(Selection(incident_id=mine.id)) == ["t0", "t1", "t2"]
    assert numbers(Selection(dependency="till", signature="other")) == ["t3"]
    assert numbers(Selection(dependency="till", incident_id=mine.id)) == []
    assert numbers(Selection(queue="fast")) == ["t1"]
    assert numbers(Selection(kind=Kind.PERMANENT)) == ["t3"]
    assert numbers(Selection(arguments={"tenant": "t1"}, organization="acme")) == ["t0"]
    assert numbers(Selection(arguments={"tenant": "t1", "x": "y"})) == []
    assert numbers(Selection(states=frozenset({FailureState.DEAD}))) == ["t2"]
    window = Selection(since=NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=3))
    assert numbers(window) == ["t1", "t2"]
    with ledger.reading() as tx:
        first = tx.found(Selection(), 2)
        assert [each.task_id for each in tx.found(Selection(), 2, first[-1])] == ["t2", "t3"]
        assert other.id in {each.incident_id for each in tx.survey(ALL, JUDGING)}


def test_a_list_shows_what_is_known_of_each(ledger: SqlLedger) -> None:
    """A line has what the failure has, whatever characters a task put there; of those of one moment none is lost."""
    strange = ExceptionFacts("app.Odd\x00", "a\x00b \U0001f600", "a trace", (), None, None)
    filed(ledger, *(failure(each, occurred_at=NOON, exception=strange, arguments={"n": "1"}) for each in range(3)))
    lines: list[FailureLine] = []
    with ledger.reading() as tx:
        while page := tx.found(Selection(), 1, lines[-1] if lines else None):
            lines += page
        assert {each.id for each in lines} == {failure(each).id for each in range(3)}
        for line in lines:
            stored = tx.failure(line.id)
            assert stored is not None
            whole = stored.failure
            assert (line.state, line.kind, line.tries) == (stored.state, stored.kind, stored.tries)
            assert (line.dependency, line.queue) == (whole.declaration.dependency, queue_of(whole.message))
            assert (line.exception_type, line.exception_message) == (whole.exception.type, whole.exception.message)
            for name in ("task", "task_id", "occurred_at", "worker", "organization", "arguments"):
                assert getattr(line, name) == getattr(whole, name)


MESSAGES = (
    {},
    {"missing": True},
    {"redacted": ("kwargs.password",)},
    {"redacted": ("kwargs.password",), "resolvable": True},
    {"sealed": "s"},
    {"sealed": "s", "missing": True},
    {"headers": {"task": "app.call", "expires": NOON.isoformat()}},
    {"headers": {"task": "app.call", "expires": LATER.isoformat()}},
    {"headers": {"task": "app.call", "expires": (LATER + timedelta(seconds=1)).isoformat()}},
    {"headers": {"task": "app.call", "expires": "2025-11-20T12:30:00"}},
    {"headers": {"task": "app.call", "expires": "soon"}},
    {"headers": {"task": "app.call", "expires": 7}},
)


@pytest.mark.parametrize("keys_known", [True, False])
def test_columns_judge_a_message_as_the_domain_does(ledger: SqlLedger, *, keys_known: bool) -> None:
    """Whatever keeps a message from going out again, the ledger's count and claim and the function say the same."""
    failures = [failure(number, message=message(number, **changes)) for number, changes in enumerate(MESSAGES)]
    made = filed(ledger, *failures)
    judging = Judging(LATER, keys_known)
    able = {
        each.id
        for each in failures
        if not refusal_of(each.message, keys_known=keys_known) and not expired(each.message, LATER)
    }
    with ledger.transaction() as tx:
        assert sum(each.count for each in tx.survey(ALL, judging) if each.why is None) == len(able)
        assert {each.failure.id for each in tx.sample(ALL, judging, None, 100)} == able
        asked = recovery()
        tx.add_recovery(asked)
        tx.add_release(release(made.id, command_id=asked.id))
        assert tx.claim_selected(asked, judging) == len(able)
    with ledger.reading() as tx:
        found = {each.id: each for each in tx.found(ALL, 100)}
        for each in failures:
            line = found[each.id]
            assert refusal(line.blocked, line.redacted, keys_known=keys_known) == refusal_of(
                each.message, keys_known=keys_known
            )
        owned = {each for each in found if (stored := tx.failure(each)) and stored.command_release_id}
    assert owned == able


def test_each_failure_is_told_one_reason(ledger: SqlLedger) -> None:
    """By its state, else by who asked for it; samples are those of the reason."""
    made = filed(ledger, *(failure(number) for number in range(6)))
    ids = [failure(number).id for number in range(6)]
    states = (FailureState.RELEASED, FailureState.RECOVERED, FailureState.DISCARDED, FailureState.REDELIVERY_PENDING)
    with ledger.transaction() as tx:
        for failure_id, state in zip(ids, states, strict=False):
            move(tx, [failure_id], state)
        first = claimed(tx, made.id, selection=Selection(ids=frozenset({ids[4]})))
    with ledger.reading() as tx:
        found = {each.why: (each.count, each.asked_by) for each in tx.survey(ALL, JUDGING)}
        assert found == {
            Why.RELEASED: (1, None), Why.RECOVERED: (1, None), Why.DISCARDED: (1, None), Why.PENDING: (1, None),
            Why.ASKED_FOR: (1, first.id), None: (1, None),
        }  # fmt: skip
        assert [each.failure.id for each in tx.sample(ALL, JUDGING, Why.ASKED_FOR, 5, first.id)] == [ids[4]]
        assert tx.sample(ALL, JUDGING, Why.ASKED_FOR, 5, uuid4()) == []


def test_what_was_asked_for_goes_by_the_newest_first_and_to_the_limit(ledger: SqlLedger) -> None:
    """Those are claimed, and come in that order to the release."""
    made = filed(ledger, *(failure(number) for number in range(5)))
    with ledger.transaction() as tx:
        (found,) = tx.survey_first(ALL, JUDGING, 3, newest=True)
        assert (found.count, found.incident_id) == (3, made.id)
        asked = claimed(tx, made.id, order=Order.NEWEST, limit=3)
        (mine,) = tx.releases_by(asked.id)
        assert mine.newest
        assert [each.failure.task_id for each in tx.held(mine, 10, fresh=True)] == ["t4", "t3", "t2"]
        assert [each.failure.task_id for each in tx.held(mine, 1, fresh=False)] == ["t4"]
        assert tx.runs_for(asked.id)


def test_a_canary_is_what_came_back_before_anything_else(ledger: SqlLedger) -> None:
    """Of what a person claimed, those that its own redrives brought back go first as canaries."""
    made = filed(ledger, *(failure(number) for number in range(3)))
    with ledger.transaction() as tx:
        asked = claimed(tx, made.id)
        (mine,) = tx.releases_by(asked.id)
        tried = attempt(failure(1), mine)
        tx.add_attempt(tried)
        tx.save_attempt(replace(tried, state="failed", ended_at=LATER))
        move(tx, [failure(1).id], FailureState.HELD)
        assert [each.failure.task_id for each in tx.held(mine, 2, fresh=False)] == ["t1", "t0"]


def test_what_is_given_back_stands_as_it_did(ledger: SqlLedger) -> None:
    """What was dead is dead again with its reason, what was held is held; both are nobody's. What is out stays."""
    made = filed(ledger, *(failure(number) for number in range(3)))
    ids = [failure(number).id for number in range(3)]
    with ledger.transaction() as tx:
        stored = tx.failure(ids[0])
        assert stored is not None
        tx.save_failure(replace(stored, state=FailureState.DEAD, closed_at=NOON, reason="tried enough"))
        asked = claimed(tx, made.id)
        held = tx.failure(ids[0])
        assert held is not None
        assert (held.state, held.reason, held.closed_at) == (FailureState.HELD, None, None)
        move(tx, ids[2:], FailureState.RELEASED)
        assert tx.progress(asked.id) == Progress(asked=3, waiting=2, in_flight=1)
        assert tx.give_back(asked.id, LATER) == 2
        assert tx.progress(asked.id) == Progress(asked=3, given_back=2, in_flight=1)
        dead, again, out = (tx.failure(each) for each in ids)
        assert dead is not None
        assert (dead.state, dead.reason, dead.command_release_id) == (FailureState.DEAD, "tried enough", None)
        assert again is not None
        assert (again.state, again.command_release_id) == (FailureState.HELD, None)
        assert out is not None
        assert out.command_release_id is not None


def test_what_a_release_leaves_is_told(ledger: SqlLedger) -> None:
    """Given up is dead; held is held again; what the broker has is elsewhere; and all of it is nobody's."""
    made = filed(ledger, *(failure(number) for number in range(3)))
    with ledger.transaction() as tx:
        asked = claimed(tx, made.id)
        (mine,) = tx.releases_by(asked.id)
        move(tx, [failure(1).id], FailureState.REDELIVERY_PENDING)
        tx.settle_releases([mine.id])
        assert tx.progress(asked.id) == Progress(asked=3, held_again=2, elsewhere=1)
        again = claimed(tx, made.id)
        (newer,) = tx.releases_by(again.id)
        assert tx.give_up(newer, "tried enough", LATER) == 2
        assert tx.progress(again.id) == Progress(asked=2, dead=2)


def test_progress_outlives_what_retention_takes(ledger: SqlLedger) -> None:
    """The rows of failures go, and the recovery still tells what became of each."""
    made = filed(ledger, *(failure(number) for number in range(3)), first_failure_id=failure(2).id)
    ids = [failure(number).id for number in range(3)]
    with ledger.transaction() as tx:
        asked = claimed(tx, made.id)
        (mine,) = tx.releases_by(asked.id)
        won = attempt(failure(0), mine, state="succeeded", ended_at=NOON)
        tx.add_attempt(won)
        move(tx, ids[:1], FailureState.RECOVERED)
        move(tx, ids[1:2], FailureState.DISCARDED)
    before = Progress(asked=3, recovered=1, elsewhere=1, waiting=1)
    with ledger.transaction() as tx:
        assert tx.progress(asked.id) == before
        assert tx.purge_failures(LATER, 100) == 2
        assert tx.progress(asked.id) == before
        tx.save_recovery(replace(asked, state=RecoveryState.DONE, ended_at=NOON))
        tx.purge_remains(LATER, LATER, 100)
        assert tx.recovery(asked.id) is not None


def test_a_recovery_goes_with_the_last_of_its_failures(ledger: SqlLedger) -> None:
    """Once it has ended long ago, and nothing is left of what it was about."""
    made = filed(ledger, failure(0), failure(1), first_failure_id=failure(1).id)
    with ledger.transaction() as tx:
        asked = claimed(tx, made.id, selection=Selection(ids=frozenset({failure(0).id})))
        move(tx, [failure(0).id], FailureState.RECOVERED)
        tx.save_recovery(replace(asked, state=RecoveryState.DONE, ended_at=NOON))
        assert tx.purge_failures(LATER, 100) == 1
        tx.purge_remains(NOON, LATER, 100)
        assert tx.recovery(asked.id) is not None
        tx.purge_remains(LATER, LATER, 100)
        assert tx.recovery(asked.id) is None


def test_what_a_statement_has_closed_is_told_by_a_word(ledger: SqlLedger) -> None:
    """Failures that were not closed one by one are settled by their ids, and are nobody's."""
    made = filed(ledger, failure(0), failure(1))
    with ledger.transaction() as tx:
        asked = claimed(tx, made.id)
        tx.settle_discarded([failure(0).id])
        assert tx.progress(asked.id) == Progress(asked=2, elsewhere=1, waiting=1)
        stored = tx.failure(failure(0).id)
        assert stored is not None
        assert stored.command_release_id is None


def test_runs_are_measured_over_what_ended_well(ledger: SqlLedger) -> None:
    """The mean from publication to end of redrives of these tasks, and how many that was; none where there is none."""
    made = filed(ledger, *(failure(number) for number in range(3)))
    with ledger.transaction() as tx:
        mine = release(made.id)
        tx.add_release(mine)
        for number, seconds in ((0, 2.0), (1, 4.0)):
            ended = {"published_at": NOON, "ended_at": NOON + timedelta(seconds=seconds)}
            tx.add_attempt(attempt(failure(number), mine, state="succeeded", **ended))
        tx.add_attempt(attempt(failure(2), mine, state="failed", published_at=NOON, ended_at=LATER))
        assert tx.run_seconds(["app.call"], NOON) == (2, 3.0)
        assert tx.run_seconds(["app.call"], LATER) == (0, None)
        assert tx.run_seconds(["other"], NOON) == (0, None)


def test_it_is_known_whether_every_worker_has_let_an_argument_out(ledger: SqlLedger) -> None:
    """One failure that does not tell it is enough for no."""
    its = filed(ledger, failure(1, arguments={"size": "1"}))
    with ledger.transaction() as tx:
        assert tx.all_tell(ALL, "size")
        assert not tx.all_tell(ALL, "token")
        tx.add_failure(held(failure(2), its))
        assert not tx.all_tell(ALL, "size")
