"""Replays in memory, beside the log in memory: for tests, and for reading what the port means."""
# ruff: noqa: SLF001 - the log and its replays are one store

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from orchestrator.domain.events import DeadLetter, Outcome
from orchestrator.domain.replays import ANSWERABLE, Batch, Item, ItemState, Letter, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.events import Answer, Refusal, StoredEvent
    from orchestrator.domain.replays import Cancelled, Discard, Replay, Selection
    from orchestrator.eventlog.memory import MemoryEventLog


@dataclass(slots=True)
class MemoryReplays:
    """What is sent again of a log in memory; items and discards by sink and place."""

    log: MemoryEventLog
    known: dict[UUID, Replay] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    given_up: dict[tuple[str, int], Discard] = field(default_factory=dict)

    def events(self, selection: Selection, limit: int, before: int | None = None) -> list[StoredEvent]:
        """List events, whatever became of them, newest first, in front of a sequence number."""
        found = [each for each in reversed(self.log._events) if selection.takes(each)]
        return [each for each in found if before is None or each.seq < before][:limit]

    def letters(self, selection: Selection, limit: int, before: tuple[int, str] | None = None) -> list[Letter]:
        """List dead letters, discarded ones too, newest first, in front of a place and a sink's name."""
        found = [
            Letter(sink, letter, self.given_up.get((sink, seq)))
            for sink, reader in self.log._readers.items()
            for seq, letter in reader.dead.items()
            if selection.sink in {None, sink} and selection.takes(letter.event)
        ]
        found.sort(key=lambda each: (-each.dead.event.seq, each.sink))
        here = [each for each in found if before is None or (-each.dead.event.seq, each.sink) > (-before[0], before[1])]
        return here[:limit]

    def standings(self, sink: str, seqs: Iterable[int]) -> Mapping[int, Standing]:
        """Tell how events stand with a sink that has subscribed."""
        places = set(seqs)
        return {each.seq: self._standing(sink, each) for each in self.log._events if each.seq in places}

    def _standing(self, sink: str, event: StoredEvent) -> Standing:
        reader = self.log._readers[sink]
        if not reader.takes(event):
            return Standing.FILTERED
        if event.seq in reader.sampled_out:
            return Standing.SAMPLED_OUT
        if event.seq in reader.dead:
            return Standing.DEAD
        return Standing.DELIVERED if event.seq <= reader.at(event.record.lane) else Standing.PENDING

    def identified(self, event_id: str, limit: int) -> list[StoredEvent]:
        """List events that carry this id, whatever their source."""
        return [each for each in self.log._events if each.record.id == event_id][:limit]

    def last_error(self, sink: str) -> Answer | None:
        """Give what a sink answered last to a batch that it did not take."""
        bad = (each for each in reversed(self.log._answers) if each.sink == sink)
        return next((each for each in bad if each.outcome != Outcome.SUCCESS.value), None)

    def oldest_pending(self, sink: str) -> datetime | None:
        """Tell when the oldest event that waits for a sink was accepted."""
        waiting = (each for each in self.log._events if self._standing(sink, each) is Standing.PENDING)
        return next((each.accepted_at for each in waiting), None)

    def eligible(self, selection: Selection, sinks: Sequence[str]) -> Mapping[str, int]:
        """Count for each sink what a replay would send now."""
        found = list(self._to_send(selection, sinks))
        return {sink: sum(each == sink for each, _ in found) for sink in sorted({sink for sink, _ in found})}

    def _to_send(self, selection: Selection, sinks: Sequence[str]) -> Iterator[tuple[str, int]]:
        wanted = Standing.DEAD if selection.dead else Standing.DELIVERED
        for sink in sinks:
            if selection.sink in {None, sink}:
                for each in self.log._events:
                    free = not self._waits(sink, each.seq) and (sink, each.seq) not in self.given_up
                    if free and selection.takes(each) and self._standing(sink, each) is wanted:
                        yield sink, each.seq

    def _waits(self, sink: str, seq: int) -> bool:
        return any((each.sink, each.seq, each.state) == (sink, seq, ItemState.WAITING) for each in self.items)

    def begin(self, replay: Replay, sinks: Sequence[str]) -> None:
        """Keep a replay with what is eligible for these sinks; one that is there already stays as it is."""
        with self.log._lock:
            self._keep(replay, list(self._to_send(replay.selection, sinks)))

    def begin_with(self, replay: Replay, sink: str, seqs: Iterable[int]) -> int:
        """Keep a replay of these events, but for those that wait in another one; says how many."""
        with self.log._lock:
            return self._keep(replay, [(sink, seq) for seq in sorted(seqs) if not self._waits(sink, seq)])

    def _keep(self, replay: Replay, places: Sequence[tuple[str, int]]) -> int:
        if replay.id in self.known:
            return 0
        self.known[replay.id] = replay
        self.items += [Item(replay.id, sink, seq) for sink, seq in places]
        self._end_if_done(replay, replay.created_at)
        return len(places)

    def replay(self, replay_id: UUID) -> Replay | None:
        """Look a replay up."""
        return self.known.get(replay_id)

    def replays(self, limit: int) -> list[Replay]:
        """List the newest replays, newest first."""
        return sorted(self.known.values(), key=lambda each: each.created_at, reverse=True)[:limit]

    def progress(self, replay_id: UUID) -> Mapping[str, Mapping[ItemState, int]]:
        """Count a replay's events by sink and state."""
        told: dict[str, dict[ItemState, int]] = {}
        for each in self.items:
            if each.replay_id == replay_id:
                counts = told.setdefault(each.sink, {})
                counts[each.state] = counts.get(each.state, 0) + 1
        return told

    def next_batch(self, sink: str, limit: int) -> Batch | None:
        """Give what the oldest replay that has anything waiting for a sink has to send next."""
        waiting = [each for each in self.items if each.sink == sink and each.state is ItemState.WAITING]
        if not waiting:
            return None
        first = min(waiting, key=lambda each: self.known[each.replay_id].created_at).replay_id
        seqs = sorted(each.seq for each in waiting if each.replay_id == first)[:limit]
        patches = {seq: patch for seq in seqs if (patch := self._patch(self.known[first], sink, seq)) is not None}
        return Batch(self.known[first], [self.log._events[seq - 1] for seq in seqs], patches)

    def _patch(self, replay: Replay, sink: str, seq: int) -> Mapping[str, Any] | None:
        if replay.patch is not None:
            return replay.patch
        taken = [each for each in self.items_of(seq) if (each.sink, each.state) == (sink, ItemState.DELIVERED)]
        patches = [self.known[each.replay_id].patch for each in taken]
        return next((patch for patch in reversed(patches) if patch is not None), None)

    def settle(
        self,
        replay: Replay,
        sink: str,
        delivered: Iterable[int],
        refused: Mapping[int, Refusal],
        now: datetime,
    ) -> None:
        """Note what a sink answered: what was delivered is a dead letter no longer."""
        with self.log._lock:
            for seq in delivered:
                if self._settled(replay, sink, seq, replace_with={"state": ItemState.DELIVERED, "at": now}):
                    self.log._readers[sink].dead.pop(seq, None)
            for seq, refusal in refused.items():
                told = {"state": ItemState.REFUSED, "refusal": refusal, "at": now}
                if self._settled(replay, sink, seq, replace_with=told) and replay.missing:
                    self._bury(sink, seq, refusal, now)
            self._end_if_done(replay, now)

    def _settled(self, replay: Replay, sink: str, seq: int, *, replace_with: dict[str, Any]) -> bool:
        unanswered = [Item(replay.id, sink, seq, state) for state in ANSWERABLE]
        found = next((each for each in unanswered if each in self.items), None)
        if found is None:
            return False
        self.items[self.items.index(found)] = replace(found, **replace_with)
        return True

    def cancel(self, replay_id: UUID, cancelled: Cancelled, now: datetime) -> int:
        """End a replay, and leave what still waits in it as it is; says how many, 0 where it had ended."""
        with self.log._lock:
            waiting = [each for each in self.items if (each.replay_id, each.state) == (replay_id, ItemState.WAITING)]
            for each in waiting:
                self.items[self.items.index(each)] = replace(each, state=ItemState.CANCELLED)
            if waiting:
                self.known[replay_id] = replace(self.known[replay_id], cancelled=cancelled, ended_at=now)
            return len(waiting)

    def _bury(self, sink: str, seq: int, refusal: Refusal, now: datetime) -> None:
        dead = self.log._readers[sink].dead
        attempts = dead[seq].attempts if seq in dead else 0
        dead[seq] = DeadLetter(self.log._events[seq - 1], refusal, attempts + 1, now)

    def _end_if_done(self, replay: Replay, now: datetime) -> None:
        mine = (each.state for each in self.items if each.replay_id == replay.id)
        if self.known[replay.id].ended_at is None and ItemState.WAITING not in mine:
            self.known[replay.id] = replace(self.known[replay.id], ended_at=now)

    def items_of(self, seq: int) -> list[Item]:
        """List what was sent again of one event, or is to be, in the order in which it was asked for."""
        mine = (each for each in self.items if each.seq == seq)
        return sorted(mine, key=lambda each: (self.known[each.replay_id].created_at, each.sink))

    def discard(self, selection: Selection, discard: Discard) -> int:
        """Give dead letters up, but for those that wait in a replay; says how many."""
        with self.log._lock:
            found = list(self._to_send(selection, list(self.log._readers)))
            self.given_up |= dict.fromkeys(found, discard)
            return len(found)
