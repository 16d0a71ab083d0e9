"""Sending events again: which, by whose word, and how each of them stands with each sink."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestrator.domain.traces import SpanContext, span_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.events import Answer, DeadLetter, Refusal, StoredEvent

# What says which event it is and where it belongs: a patch that changed one of these would make another event.
FIXED: Final = frozenset({"specversion", "id", "source", "type", "time", "datacontenttype", "dataschema"})


class Standing(StrEnum):
    """How an event stands with a sink: the words of the sum that the counts are."""

    FILTERED = "filtered"
    SAMPLED_OUT = "sampled_out"
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class Origin(StrEnum):
    """Who asked for a replay."""

    PERSON = "person"
    RECONCILER = "reconciler"


class ItemState(StrEnum):
    """What became of one event of a replay, at one sink."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    REFUSED = "refused"
    CANCELLED = "cancelled"


# Sinks that tell people are named so. What they were told is not told again by the way.
TELLING: Final = "alerts-"
# What an answer is noted of: a batch that was under way when its replay was cancelled has gone all the same.
ANSWERABLE: Final = (ItemState.WAITING, ItemState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: accepted from `since` up to `until`, of a type, of these keys; what is None was not said.

    With `dead` the dead letters that nobody has discarded, of one sink or of all; else what was delivered.
    """

    dead: bool = True
    sink: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    type: str | None = None
    keys: frozenset[UUID] | None = None

    def sent_to(self, sinks: Sequence[str]) -> list[str]:
        """Give those of the sinks that a replay of these goes to: one that tells people only where it is named."""
        return [each for each in sinks if each == self.sink or not (self.sink or each.startswith(TELLING))]

    def takes(self, event: StoredEvent) -> bool:
        """Tell whether an event is one of these, whatever became of it."""
        return (
            (self.since is None or event.accepted_at >= self.since)
            and (self.until is None or event.accepted_at < self.until)
            and (self.type is None or event.record.type == self.type)
            and (self.keys is None or event.record.key in self.keys)
        )


@dataclass(frozen=True, slots=True)
class Discard:
    """A person gave a dead letter up; it stays in the count of the dead."""

    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A person stopped a replay: what had not gone by then stays as it was."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter with the sink that refused it, and who gave it up, if anybody did."""

    sink: str
    dead: DeadLetter
    discarded: Discard | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """Events that are sent again under their ids, `pace` a second at most, each with `patch` merged into it."""

    id: UUID
    actor: str
    reason: str
    created_at: datetime
    selection: Selection = Selection()
    patch: Mapping[str, Any] | None = None
    pace: float | None = None
    origin: Origin = Origin.PERSON
    ended_at: datetime | None = None
    cancelled: Cancelled | None = None

    @property
    def missing(self) -> bool:
        """Tell whether the sinks do not have these events: what they refuse again is a dead letter."""
        return self.selection.dead or self.origin is Origin.RECONCILER

    @property
    def context(self) -> SpanContext:
        """Give its place in a trace of its own; the events keep theirs, which it is linked to."""
        return SpanContext(self.id.hex, span_id("replay", self.id))


@dataclass(frozen=True, slots=True)
class Item:
    """One event of a replay, at one sink; `at` is when it was sent last."""

    replay_id: UUID
    sink: str
    seq: int
    state: ItemState = ItemState.WAITING
    refusal: Refusal | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What a replay has to send to a sink next; `patches` by sequence number, for those that are sent patched.

    `gone` are the numbers of those that the log does not hold any more.
    """

    replay: Replay
    events: Sequence[StoredEvent]
    patches: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    gone: Collection[int] = ()


class Replays(Protocol):
    """The log as an operator sees it, and what is sent again of it. Each call raises DependencyUnreachable."""

    def events(self, selection: Selection, limit: int, before: int | None = None) -> list[StoredEvent]:
        """List events, whatever became of them, newest first, in front of a sequence number."""

    def letters(self, selection: Selection, limit: int, before: tuple[int, str] | None = None) -> list[Letter]:
        """List dead letters, discarded ones too, newest first, in front of a place and a sink's name."""

    def standings(self, sink: str, seqs: Iterable[int]) -> Mapping[int, Standing]:
        """Tell how events stand with a sink that has subscribed."""

    def identified(self, event_id: str, limit: int) -> list[StoredEvent]:
        """List events that carry this id, whatever their source."""

    def last_error(self, sink: str) -> Answer | None:
        """Give what a sink answered last to a batch that it did not take."""

    def oldest_pending(self, sink: str) -> datetime | None:
        """Tell when the oldest event that waits for a sink was accepted."""

    def eligible(self, selection: Selection, sinks: Sequence[str]) -> Mapping[str, int]:
        """Count for each sink what a replay would send now: of the selection, and not waiting in another replay."""

    def begin(self, replay: Replay, sinks: Sequence[str]) -> None:
        """Keep a replay with what is eligible for these sinks; one that is there already stays as it is."""

    def begin_with(self, replay: Replay, sink: str, seqs: Iterable[int]) -> int:
        """Keep a replay of these events, but for those that wait in another one; says how many."""

    def replay(self, replay_id: UUID) -> Replay | None:
        """Look a replay up."""

    def replays(self, limit: int) -> list[Replay]:
        """List the newest replays, newest first."""

    def progress(self, replay_id: UUID) -> Mapping[str, Mapping[ItemState, int]]:
        """Count a replay's events by sink and state."""

    def next_batch(self, sink: str, limit: int) -> Batch | None:
        """Give what the oldest replay that has anything waiting for a sink has to send next."""

    def settle(
        self, replay: Replay, sink: str, delivered: Iterable[int], refused: Mapping[int, Refusal], now: datetime
    ) -> None:
        """Note what a sink answered, in one commit: what was delivered is a dead letter no longer.

        What was refused is one, with its new reason and one more attempt, where the sink does not have it.
        """

    def cancel(self, replay_id: UUID, cancelled: Cancelled, now: datetime) -> int:
        """End a replay, and leave what still waits in it as it is; says how many, 0 where it had ended."""

    def items_of(self, seq: int) -> list[Item]:
        """List what was sent again of one event, or is to be, in the order in which it was asked for."""

    def discard(self, selection: Selection, discard: Discard) -> int:
        """Give dead letters up, but for those that wait in a replay; says how many."""


def merged(target: Any, patch: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Merge a patch into a JSON value (RFC 7396 section 2): null removes, objects are merged, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = merged(kept.get(name), value)
    return kept
