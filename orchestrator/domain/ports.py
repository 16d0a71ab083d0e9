"""The ports: what the flows need from the world, in a handful of domain verbs each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from orchestrator.domain.events import (
        Appended,
        Delivery,
        EventRecord,
        Lane,
        Price,
        SinkCounts,
        StoredEvent,
    )
    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route
    from orchestrator.domain.workflows import Execution, Firing


class EventLog(Protocol):
    """The append-only log of events, each in it once, by its key. No cursor steps over a row that commits later."""

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Store the records durably before returning; one that is there already is counted and left as it is."""

    def read(self, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
        """Give the next events of a lane in the order of the log."""

    def cursor(self, sink: str, lane: Lane) -> int:
        """Give the sequence number up to which a sink is done with a lane; 0 at first."""

    def advance(self, sink: str, lane: Lane, seq: int, *, epoch: int, dead: Mapping[int, str]) -> None:
        """Move a sink's cursor and file its dead letters (sequence number -> reason) in one commit.

        Raises StaleEpoch when a later epoch has written this cursor.
        """

    def counts(self, sink: str, types: Iterable[str]) -> SinkCounts:
        """Count from rows, on either side of the cursors, what became of the events for a sink of these types."""

    def dead_letters(self, sink: str, limit: int) -> list[tuple[StoredEvent, str]]:
        """List a sink's dead letters with their reasons, oldest first."""

    def ready(self) -> None:
        """Raise DependencyUnreachable when the log cannot be read."""


class Sink(Protocol):
    """One destination of events."""

    name: str
    types: frozenset[str]

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Hand over the batch, in order; never raises for what the destination did."""


class Redriver(Protocol):
    """Publishes a failed task again, faithfully."""

    def publish(self, message: TaskMessage, attempt_id: UUID, route: Route | None) -> None:
        """Publish with a confirm; raises DependencyUnreachable or Unroutable."""


class Workflows(Protocol):
    """StackStorm, as far as recovery needs it. Every call has a time-out; each raises DependencyUnreachable."""

    def dispatch(self, trigger: str, payload: Mapping[str, Any], trace_tag: str) -> None:
        """Emit a trigger into StackStorm."""

    def firings(self, trace_tag: str) -> list[Firing]:
        """Tell what came of the triggers dispatched under a trace tag."""

    def rules_off(self, trigger: str, payload: Mapping[str, Any]) -> list[str]:
        """Name the disabled rules that would have matched this payload."""

    def execution(self, execution_id: str) -> Execution:
        """Look one execution up; raises NotFound."""


class Pricing(Protocol):
    """What a model call costs."""

    def price(self, data: Mapping[str, Any], at: datetime) -> Price:
        """Price the data of one `redrive.llm.call.v1` event."""
