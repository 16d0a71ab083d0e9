"""The ports: what the flows need from the world, in a handful of domain verbs each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.domain.events import UNBOUNDED_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from typing import Any
    from uuid import UUID

    from orchestrator.domain.circuits import CircuitState, Standing
    from orchestrator.domain.edits import Edits
    from orchestrator.domain.errors import DependencyUnreachable, Unroutable
    from orchestrator.domain.events import (
        Answer,
        Appended,
        DeadLetter,
        Delivery,
        EventRecord,
        HourCounts,
        Lane,
        Passed,
        Price,
        SinkCounts,
        StoredEvent,
        Stretch,
    )
    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route
    from orchestrator.domain.probes import ProbeResult, ProbeSpec
    from orchestrator.domain.redrives import Redrive
    from orchestrator.domain.results import ResultPage, StoredTask
    from orchestrator.domain.rules import Matching, Rule
    from orchestrator.domain.subscriptions import Subscription
    from orchestrator.domain.workflows import Execution, Firing


class Circuits(Protocol):
    """How the circuit of each sink and lane stands, and what an operator holds it at; each writes only its own part."""

    def load(self, name: str) -> Standing | None:
        """Give how a circuit stood last, and what is forced; None for one that nobody has kept yet."""

    def list(self) -> Sequence[Standing]:
        """List every circuit that is kept, by name."""

    def save(self, standing: Standing) -> None:
        """Keep how a circuit stands; what an operator says of it stays as it is."""

    def force(self, name: str, state: CircuitState, by: str, reason: str) -> None:
        """Hold a circuit open or closed from now on, whatever its sink answers; its relay notices within seconds."""

    def release(self, name: str) -> None:
        """Leave a circuit to itself again."""


class EventLog(Protocol):
    """The append-only log of events, each in it once, by its key. No cursor steps over a row that commits later."""

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Store the records durably before returning; one that is there already is counted and left as it is.

        Raises LogFull, with none of them stored, when there is no room for telemetry.
        """

    def subscribe(self, sink: str, subscription: Subscription) -> None:
        """Make a sink known, with what it takes; where it is known, what it takes is its relays' to change."""

    def resubscribe(self, sink: str, lane: Lane, subscription: Subscription, *, epoch: int) -> None:
        """Say what a sink takes of a lane from its cursor on; what is behind the cursor keeps the count it had.

        From here on the cursor is that epoch's. Raises StaleEpoch when a later epoch has written it.
        """

    def find(self, key: UUID) -> StoredEvent | None:
        """Give the event that is filed under a key; None when there is none."""

    def read(self, lane: Lane, after: int, limit: int) -> list[StoredEvent]:
        """Give the next events of a lane in the order of the log."""

    def stretch(
        self, lane: Lane, after: int, number: int, types: AbstractSet[str], most_bytes: int = UNBOUNDED_BYTES
    ) -> Stretch:
        """Look at the next `number` events of a lane, and give those of these types with how far all of them reach.

        It is cut behind the event with which their bodies have more than `most_bytes`.
        """

    def cursor(self, sink: str, lane: Lane) -> int:
        """Give the sequence number up to which a sink is done with a lane; 0 at first."""

    def advance(self, sink: str, lane: Lane, seq: int, *, epoch: int, passed: Passed) -> None:
        """Move a sink's cursor and note, in the same commit, what was not delivered of the events it passed.

        Raises StaleEpoch when a later epoch has written this cursor.
        """

    def counts(self, sink: str) -> SinkCounts:
        """Count from rows, on either side of the cursors, what became of the events for a sink that has subscribed."""

    def hours(self, sink: str, since: datetime, until: datetime) -> list[HourCounts]:
        """Count the same for each hour of acceptance from `since` up to `until` in which anything was accepted."""

    def dead_letters(self, sink: str, limit: int, after: int = 0) -> list[DeadLetter]:
        """List a sink's dead letters behind a sequence number, oldest first."""

    def failed_traces(self, traces: Iterable[str]) -> set[str]:
        """Tell in which of these traces an event of the log says that something failed."""

    def note_answer(self, answer: Answer) -> None:
        """Keep what a sink answered to a batch that was not delivered; `advance` keeps the others."""

    def answers(self, stored: StoredEvent) -> list[Answer]:
        """List what each sink answered to the batches that an event was in, oldest first."""

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

    def publish(
        self,
        message: TaskMessage,
        attempt_id: UUID,
        route: Route | None,
        traceparent: str | None = None,
        edits: Edits | None = None,
    ) -> None:
        """Publish with a confirm, in a trace if one is given, with a person's edits in its arguments if any.

        Raises DependencyUnreachable, Unroutable, or NotRedrivable where no try can help.
        """

    def publish_all(self, redrives: Sequence[Redrive]) -> Sequence[Unroutable | DependencyUnreachable | None]:
        """Publish many, in their order, each with a confirm; gives for each why it did not go out, None where it did.

        Once the broker is away, it is so for all that follow.
        """


class Results(Protocol):
    """Celery's result backend, read and never written. Each call raises DependencyUnreachable while it is away.

    `blind` says why nothing can be seen, where that is so: every call finds nothing then.
    """

    @property
    def blind(self) -> str | None:
        """Say why this backend shows nothing; None where it can be read."""

    def state_of(self, task_ids: Sequence[str]) -> Mapping[str, StoredTask]:
        """Give what is stored of these tasks; one of which nothing is known is left out."""

    def unfinished(self, limit: int, cursor: str | None = None) -> ResultPage:
        """Look at about `limit` tasks, behind the cursor of the page before, for those that are STARTED or RETRY."""


class Prober(Protocol):
    """Asks a dependency whether it answers."""

    def probe(self, spec: ProbeSpec) -> ProbeResult:
        """Ask once, within the probe's time-out; never raises for what the dependency did."""


class ProbeRuns(Protocol):
    """Probes under way: a few at a time, and one for each dependency. No call waits for any of them."""

    def start(self, name: str, spec: ProbeSpec) -> bool:
        """Begin a probe of the dependency `name`; False while it has one under way, or too many others have."""

    def finished(self) -> Sequence[tuple[str, ProbeResult]]:
        """Give what has come of probes since the last call, each with the name of its dependency."""


class Workflows(Protocol):
    """StackStorm, as far as recovery needs it. Every call has a time-out; each raises DependencyUnreachable."""

    def dispatch(self, trigger: str, payload: Mapping[str, Any], trace_tag: str) -> None:
        """Emit a trigger into StackStorm."""

    def firings(self, trace_tag: str) -> list[Firing]:
        """Tell what came of the triggers dispatched under a trace tag."""

    def rules(self) -> list[Rule]:
        """List all rules, enabled and disabled."""

    def matching(self, rules: Iterable[Rule], trigger: str, payload: Mapping[str, Any]) -> Matching:
        """Tell which of these rules match, enabled or not; nobody is asked."""

    def execution(self, execution_id: str) -> Execution:
        """Look one execution up; raises NotFound."""

    def answer(self, inquiry_id: str, response: Mapping[str, Any]) -> bool:
        """Answer an inquiry; False where it waits for no answer any more, or is not there."""


class Pricing(Protocol):
    """What a model call costs."""

    def price(self, data: Mapping[str, Any], at: datetime) -> Price:
        """Price the data of one `redrive.llm.call.v1` event."""
