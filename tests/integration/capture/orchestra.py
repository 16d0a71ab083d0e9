"""The orchestrator's side of a test: the bus's events through the real intake into a ledger, and redrives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import kombu

from eventbus import topology, wire
from orchestrator.bus.redriver import BusRedriver
from orchestrator.domain.errors import Conflict, NotRedrivable
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from tests.scene import Scene

if TYPE_CHECKING:
    from uuid import UUID

    from kombu.transport.base import StdChannel as Channel

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.ledger import StoredFailure


@dataclass
class Orchestra(Scene):
    """Real flows on the real bus and broker at `url`, around a ledger in memory, at the time that it is."""

    url: str = ""
    events: list[wire.Event] = field(default_factory=list)
    _channel: Channel | None = None

    @classmethod
    def at(cls, url: str) -> Self:
        """Make one for a broker that is the bus as well."""
        return cls(url=url, redriver=BusRedriver(url))  # type: ignore[arg-type]  # the port's other implementation

    def clock(self) -> datetime:
        """Tell the time."""
        return datetime.now(UTC)

    def turn(self) -> None:
        """Take in what is on the bus by now, then move every release one step."""
        for queue in topology.queues(self.url):
            bound = queue(self._open())
            while (message := bound.get()) is not None:
                body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
                self.events += wire.decode(body)
                self.intake.handle([body])
                message.ack()
        self.releaser.run_once()

    def _open(self) -> Channel:
        if self._channel is None:
            self._channel = kombu.Connection(self.url).channel()
            for queue in topology.queues(self.url):
                queue(self._channel).declare()
        return self._channel

    @property
    def all_failures(self) -> list[StoredFailure]:
        """Every failure in the ledger."""
        with self.ledger.transaction() as tx:
            incidents = tx.incidents([], 1000, None)
            return [failure for incident in incidents for failure in tx.failures_of(incident.id, 1000)]

    def failure(self, failure_id: UUID) -> StoredFailure | None:
        """Look a failure up."""
        with self.ledger.transaction() as tx:
            return tx.failure(failure_id)

    def attempts(self, failure_id: UUID) -> list[Attempt]:
        """Give the redrives of a failure."""
        with self.ledger.transaction() as tx:
            return tx.attempts_of(failure_id)

    def retry(self, failure_id: UUID) -> str:
        """Have a person ask for a redrive; gives the reason where it is refused."""
        request = RetryRequest("a tester", "mended", failure_id=failure_id)
        try:
            with self.ledger.transaction() as tx:
                command_retry(tx, request, uuid4(), self.clock())
        except (Conflict, NotRedrivable) as refused:
            return str(refused)
        return ""

    def close(self) -> None:
        """Let go of broker and ledger."""
        if self._channel is not None:
            self._channel.connection.client.release()
        self.redriver.close()
        self.ledger.close()
