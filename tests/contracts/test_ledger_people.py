"""What every ledger must do with triggers, commands, keys, the mode and the outbox: in memory, SQLite, PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from eventbus.wire import INCIDENT_OPENED, Event, from_mapping
from orchestrator.domain.commands import Command, CommandKind, Mode, StoredAnswer
from orchestrator.domain.dispatches import TO_ASK_ABOUT, TO_SEND, DispatchState
from tests.recovery import NOON, dispatch, failure, filed

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger


def event(number: int) -> Event:
    """Make an event that is born in the ledger."""
    return Event(str(uuid4()), "urn:redrive:test", INCIDENT_OPENED, NOON, {"number": number, "text": "naïve"})


def test_a_trigger_is_queued_once_and_comes_back_whole(ledger: SqlLedger) -> None:
    """The same trigger again changes nothing; what came of it survives."""
    made = dispatch(filed(ledger, failure()).id, payload={"failure": {"deep": [1, "naïve", None]}})
    with ledger.transaction() as tx:
        tx.add_dispatch(made)
        tx.add_dispatch(replace(made, state=DispatchState.SENT))
        assert tx.dispatches_of(made.incident_id) == [made]
        changed = replace(
            made,
            state=DispatchState.FIRED,
            tries=2,
            sent_at=NOON,
            trigger_instance_id="i-1",
            rules=("redrive.retry",),
            execution_ids=("e-1", "e-2"),
            note="so",
        )
        tx.save_dispatch(changed)
        assert tx.dispatches_of(made.incident_id) == [changed]
        assert tx.dispatches_of(uuid4()) == []


def test_triggers_that_are_due_come_oldest_first(ledger: SqlLedger) -> None:
    """Due is what is in the states that are asked for and whose time has come, the oldest first."""
    incident = filed(ledger, failure())
    made = {
        state: dispatch(incident.id, state=state, next_at=NOON - timedelta(seconds=number))
        for number, state in enumerate(DispatchState)
    }
    with ledger.transaction() as tx:
        for each in made.values():
            tx.add_dispatch(each)
        tx.add_dispatch(dispatch(incident.id, next_at=NOON + timedelta(seconds=1)))
        due = [each.state for each in tx.due_dispatches((*TO_SEND, *TO_ASK_ABOUT), NOON, 10)]
        assert due == [DispatchState.FIRED, DispatchState.SENT, DispatchState.SENDING, DispatchState.PENDING]
        assert [each.state for each in tx.due_dispatches(TO_ASK_ABOUT, NOON, 1)] == [DispatchState.FIRED]


def test_of_triggers_that_are_due_alike_the_least_tried_comes_first(ledger: SqlLedger) -> None:
    """One that fails again and again goes behind those that were put off to the same moment."""
    incident = filed(ledger, failure())
    often, once = dispatch(incident.id, tries=2), dispatch(incident.id, tries=1, created_at=NOON + timedelta(seconds=1))
    with ledger.transaction() as tx:
        tx.add_dispatch(often)
        tx.add_dispatch(once)
        assert tx.due_dispatches(TO_SEND, NOON, 10) == [once, often]


def test_what_a_trigger_stands_for_is_told_and_let_go(ledger: SqlLedger) -> None:
    """What is led is listed until its incident shows the note; let go, it waits again until its own time."""
    leader = filed(ledger, failure())
    led_one = filed(ledger, failure(1), signature="other")
    later = NOON + timedelta(seconds=9)
    going = dispatch(leader.id, state=DispatchState.SENDING)
    waiting = dispatch(led_one.id, next_at=later)
    with ledger.transaction() as tx:
        tx.add_dispatch(going)
        tx.add_dispatch(waiting)
        assert tx.collapse(leader) == 1
        (told,) = tx.untold(leader.id, "so", 10)
        assert (told.id, told.led_by) == (waiting.id, leader.id)
        tx.save_incident(replace(led_one, note="so"))
    with ledger.transaction() as tx:
        assert tx.untold(leader.id, "so", 10) == []
        assert [each.id for each in tx.untold(leader.id, "else", 10)] == [waiting.id]
        assert (tx.let_go(leader.id), tx.let_go(leader.id)) == (1, 0)
        assert tx.dispatches_of(led_one.id) == [waiting]


def test_a_trigger_that_gave_up_standing_for_others_counts_as_one_that_went(ledger: SqlLedger) -> None:
    """While it is being sent it counts as the newest of its dependency; once it gave up, as of that time."""
    leader = filed(ledger, failure())
    going = dispatch(leader.id, state=DispatchState.SENDING, next_at=NOON)
    long_ago = NOON - timedelta(minutes=2)
    with ledger.transaction() as tx:
        tx.add_dispatch(going)
        assert tx.sent_since(leader, NOON - timedelta(minutes=1)) == [NOON]
        tx.save_dispatch(replace(going, sent_at=long_ago))
        assert tx.sent_since(leader, NOON - timedelta(minutes=1)) == []
        assert tx.sent_since(leader, NOON - timedelta(minutes=3)) == [long_ago]


def test_a_command_comes_back_whole(ledger: SqlLedger) -> None:
    """Who asked for what, why and when survives."""
    incident = filed(ledger, failure())
    made = Command(
        uuid4(), "ann", "naïve hope", NOON, failure_id=failure().id, incident_id=incident.id, release_id=uuid4()
    )
    later = NOON + timedelta(seconds=1)
    held = Command(
        uuid4(), "bob", "deploy", later, CommandKind.HOLD, incident_id=incident.id, before={"a": [None, "ü"]}
    )
    forced = replace(made, id=uuid4(), created_at=later, forced=True, dependency="model", after={"failures": 3})
    with ledger.transaction() as tx:
        for each in (held, made, forced):
            tx.add_command(each)
    with ledger.transaction() as tx:
        assert [tx.command(each.id) for each in (made, held, forced)] == [made, held, forced]
        assert tx.command(uuid4()) is None
        assert tx.commands_of(incident.id)[0] == made
        assert len(tx.commands_of(incident.id)) == 3
        assert tx.commands_of(uuid4()) == []


def test_a_key_answers_as_it_answered_first(ledger: SqlLedger) -> None:
    """The first request takes the key; every later one gets its answer, with the hash of its body."""
    answer = StoredAnswer("hash-1", 202, '{"a": 1}', "/there")
    with ledger.transaction() as tx:
        assert tx.take_key("k", "hash-1", NOON) is None
        tx.store_answer("k", answer)
        assert tx.take_key("other", "hash-1", NOON) is None
    with ledger.transaction() as tx:
        assert tx.take_key("k", "hash-1", NOON) == answer
        assert tx.take_key("k", "hash-2", NOON) == answer


def test_a_key_lasts_a_day(ledger: SqlLedger) -> None:
    """A key is kept for 24 hours and free afterwards, other keys staying as they are."""
    with ledger.transaction() as tx:
        tx.take_key("k", "hash-1", NOON)
        tx.take_key("young", "hash-1", NOON + timedelta(hours=23))
        assert tx.take_key("k", "hash-2", NOON + timedelta(hours=24)) is not None
        assert tx.take_key("k", "hash-2", NOON + timedelta(hours=24, seconds=1)) is None
        assert tx.take_key("young", "hash-1", NOON + timedelta(hours=24, seconds=1)) is not None


def test_the_mode_is_the_one_that_was_set_last(ledger: SqlLedger) -> None:
    """Nobody has set a mode at first; afterwards the last one holds."""
    with ledger.transaction() as tx:
        assert tx.mode() is None
        tx.set_mode(Mode.ACT, "ann", NOON)
        tx.set_mode(Mode.PAUSED, "bob", NOON - timedelta(days=1))
        assert tx.mode() is Mode.PAUSED


def test_the_outbox_gives_its_events_in_order_until_they_are_cleared(ledger: SqlLedger) -> None:
    """Events come back whole, oldest first, as often as asked, until their numbers are cleared."""
    made = [event(number) for number in range(3)]
    with ledger.transaction() as tx:
        for each in made:
            tx.emit(each)
    with ledger.transaction() as tx:
        first, second = tx.outbox(2)
        assert [from_mapping(each[1]) for each in (first, second)] == made[:2]
        assert tx.outbox(2) == [first, second]
        tx.clear_outbox([first[0], second[0]])
        tx.clear_outbox([])
        assert [from_mapping(each) for _, each in tx.outbox(10)] == made[2:]


def test_a_cleared_number_is_not_given_again(ledger: SqlLedger) -> None:
    """A copier that clears late cannot drop an event that came after: its number is a new one."""
    with ledger.transaction() as tx:
        tx.emit(event(0))
        (old,) = tx.outbox(1)
        tx.clear_outbox([old[0]])
        tx.emit(event(1))
        tx.clear_outbox([old[0]])
        assert [each["data"]["number"] for _, each in tx.outbox(10)] == [1]
