"""A person's word about events and sinks: again, given up, held, forgotten. Each is an entry of the audit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.auditing import Deed, Origin
from orchestrator.domain.circuits import CircuitState, circuit_name
from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.errors import Conflict, NotFound
from orchestrator.domain.replays import Cancelled, Discard, ItemState, Replay
from orchestrator.domain.subscribers import parts_of
from orchestrator.flows.announcing import command_recorded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.events import Lane, SinkCounts
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.replays import Selection
    from orchestrator.flows.desk import Desk


INTEND: Final = "intend"


@dataclass(frozen=True, slots=True)
class Word:
    """Who said it, why, when, and the id that it has from now on."""

    id: UUID
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Again:
    """What is to be sent again, with which patch, at which pace."""

    selection: Selection
    patch: Mapping[str, Any] | None = None
    pace: float | None = None


def intend(ledger: Ledger, word: Word, intent_id: UUID, verb: CommandKind, what: Mapping[str, Any]) -> None:
    """Enter into the audit, and commit, what is about to be done to the event log, which is another database.

    Whoever dies between the commits of both has said so: an intent whose deed does not follow is to be looked into.
    """
    with ledger.transaction() as tx:
        tx.audit(
            Deed(
                id=intent_id,
                at=word.at,
                actor=word.actor,
                origin=Origin.PERSON,
                verb=INTEND,
                reason=word.reason,
                sink=what.get("sink"),
                after={"verb": str(verb), "command_id": str(word.id), **what},
            )
        )


def begin_replay(tx: LedgerTx, desk: Desk, word: Word, again: Again) -> Mapping[str, int]:
    """Begin a replay of what is eligible now, for each sink; raises Conflict when that is nothing.

    Its id is the word's: the same request again, after a crash between both stores, begins no second one.
    """
    known = desk.replays.replay(word.id)
    if known is None:
        sinks = again.selection.sent_to(desk.sinks)
        if not desk.replays.eligible(again.selection, sinks):
            raise Conflict("expected events that can be sent again, got none; see `redrive events list --dead`")
        known = Replay(word.id, word.actor, word.reason, word.at, again.selection, again.patch, again.pace)
        desk.replays.begin(known, sinks)
    sums = {sink: sum(states.values()) for sink, states in desk.replays.progress(word.id).items()}
    told = {"replay_id": str(word.id), "events": sums, "patched": again.patch is not None}
    _record(tx, word, CommandKind.REPLAY, {}, told | {"traceparent": known.context.traceparent})
    return sums


def cancel_replay(tx: LedgerTx, desk: Desk, word: Word, replay_id: UUID) -> int:
    """End a replay and leave what waits in it as it is: says how many. Raises NotFound, and Conflict after its end."""
    if desk.replays.replay(replay_id) is None:
        raise NotFound("replay", str(replay_id))
    waiting = sum(states.get(ItemState.WAITING, 0) for states in desk.replays.progress(replay_id).values())
    _record(tx, word, CommandKind.CANCEL, {"replay_id": str(replay_id), "waiting": waiting}, {"waiting": 0})
    # Last, as a discard is: who cancelled it stays with the replay, whatever becomes of this transaction.
    stopped = desk.replays.cancel(replay_id, Cancelled(word.actor, word.reason), word.at)
    if not stopped:
        raise Conflict("expected a replay that has something left to send, got one that has ended")
    return stopped


def discard(tx: LedgerTx, desk: Desk, word: Word, by: str, selection: Selection) -> int:
    """Give dead letters up, by the name of a person; raises Conflict when there are none that can be."""
    before = sum(desk.replays.eligible(selection, desk.sinks).values())
    if not before:
        raise Conflict("expected dead letters that nobody has discarded, got none; see `redrive events list --dead`")
    _record(tx, word, CommandKind.DISCARD, {"dead_letters": before}, {"discarded_by": by})
    # Last: what was given up is in the log's rows with its name and reason, whatever becomes of this transaction.
    return desk.replays.discard(selection, Discard(by, word.reason, word.at))


def hold_circuit(  # noqa: PLR0913, PLR0917 - whose, where, and how
    tx: LedgerTx, desk: Desk, word: Word, sink: str, lanes: Sequence[Lane], state: CircuitState | None
) -> Sequence[str]:
    """Hold the circuits of a sink open or closed, or with None leave them to themselves; gives their names."""
    names = [circuit_name(sink, lane) for lane in lanes]
    before = {each.name: _held(each.forced.state if each.forced else None) for each in desk.circuits.list()}
    told = {name: before.get(name, "auto") for name in names}
    _record(tx, word, CommandKind.CIRCUIT, told, dict.fromkeys(names, _held(state)))
    for name in names:
        if state is None:
            desk.circuits.release(name)
        else:
            desk.circuits.force(name, state, word.actor, word.reason)
    return names


def leaving(tx: LedgerTx, desk: Desk, sink: str, now: datetime) -> SinkCounts:
    """Count what goes with a sink; raises NotFound for one that the log does not know, Conflict while it is served."""
    if sink in desk.sinks:
        raise Conflict(
            f"expected a sink that the settings do not name, got {sink!r}; take it out of the settings of every"
            " orchestrator, start them again, and forget it then"
        )
    if not desk.subscribers.knows(sink):
        raise NotFound("sink", sink)
    if any(tx.led(part, now) for part in parts_of(sink)):
        raise Conflict(
            f"expected a sink that no orchestrator serves, got {sink!r}, which another one does, or did until a moment"
            " ago; take it out of that one's settings, start it again, and forget it a minute later"
        )
    return desk.log.counts(sink)


def forget_sink(tx: LedgerTx, desk: Desk, word: Word, by: str, sink: str) -> SinkCounts:
    """Forget a sink that is gone, by the name of a person: what it has not got is given up, and holds nothing back."""
    counts = leaving(tx, desk, sink, word.at)
    _record(tx, word, CommandKind.FORGET, {"sink": sink, **asdict(counts)}, {"forgotten_by": by})
    # Last, so that nothing is forgotten without its entry in the audit: what fails here takes that back.
    desk.subscribers.forget(sink, word.at)
    return counts


def record_gap(tx: LedgerTx, word: Word, replay: Replay, found: Mapping[str, int]) -> None:
    """Tell, once, that the reconciler has found events missing, and sends them again."""
    if tx.command(word.id) is None:
        told = {"replay_id": str(replay.id), **found, "traceparent": replay.context.traceparent}
        _record(tx, word, CommandKind.REPLAY, {}, {"sink": replay.selection.sink, **told})


def _held(state: CircuitState | None) -> str:
    return "auto" if state is None else str(state)


def _record(tx: LedgerTx, word: Word, kind: CommandKind, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    command = Command(
        id=word.id, actor=word.actor, reason=word.reason, created_at=word.at, kind=kind, before=before, after=after
    )
    tx.add_command(command)
    tx.emit(command_recorded(command, None, word.at))
