"""Publishing a failed task again through kombu, each message confirmed."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Final

from kombu.exceptions import KombuError

from eventbus.transport import UnroutableMessage
from orchestrator.bus.connecting import connect
from orchestrator.bus.letter import Letter, letter_of
from orchestrator.domain.errors import DependencyUnreachable, Unroutable

if TYPE_CHECKING:
    from uuid import UUID

    from kombu import Connection, Producer

    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route

CONFIRM_SECONDS: Final = 10.0
# AMQP 0-9-1 reply codes that speak of the message and not of the broker: content too large, access refused, not found,
# precondition failed, frame error, syntax error. It would meet them again, and hold up all that waits behind it.
MESSAGE_S_OWN: Final = frozenset({311, 403, 404, 406, 501, 502})
NOT_ENCODABLE: Final = (TypeError, ValueError, LookupError, ArithmeticError, struct.error)


@dataclass(slots=True)
class BusRedriver:
    """Publishes to the Celery broker at `url`, each message confirmed. Safe to share between threads."""

    url: str
    _connection: Connection | None = None
    _producer: Producer | None = None
    _returned: list[str] = field(default_factory=list)
    _turn: Lock = field(default_factory=Lock)

    def publish(self, message: TaskMessage, attempt_id: UUID, route: Route | None) -> None:
        """Publish with a confirm.

        Raises Unroutable when no queue takes it, DependencyUnreachable when the broker is away.
        """
        letter = letter_of(message, attempt_id, route, datetime.now(UTC))
        with self._turn:
            try:
                self._send(letter)
            except UnroutableMessage as error:
                raise Unroutable(str(error)) from error
            except (KombuError, OSError, *self._broker_errors()) as error:
                self.close()
                raise _told(error) from error
            except NOT_ENCODABLE as error:
                self.close()
                raise Unroutable(f"expected a message that the broker can carry, got: {error!r}") from error

    def _broker_errors(self) -> tuple[type[BaseException], ...]:
        connection = self._connection
        return (*connection.connection_errors, *connection.channel_errors) if connection else ()

    def _send(self, letter: Letter) -> None:
        self._returned.clear()
        self._ready().publish(
            letter.body,
            exchange=letter.exchange,
            routing_key=letter.routing_key,
            headers=dict(letter.headers),
            content_type=letter.content_type,
            content_encoding=letter.content_encoding,
            compression=letter.headers.get("compression"),
            mandatory=True,
            timeout=CONFIRM_SECONDS,
            **letter.properties,
        )
        if self._returned:
            where = f"exchange {letter.exchange!r} and key {letter.routing_key!r}"
            raise Unroutable(f"expected a queue behind {where}: {self._returned[0]}")

    def _ready(self) -> Producer:
        if self._producer is None:
            self._connection = connect(self.url)
            self._producer = self._connection.Producer(on_return=self._note_return)
        return self._producer

    def _note_return(self, _exception: object, exchange: str, routing_key: str, _message: object) -> None:
        self._returned.append(f"no queue is bound to {exchange!r} with {routing_key!r}")

    def close(self) -> None:
        """Let the connection go; the next publish opens another."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.release()


def _told(error: BaseException) -> DependencyUnreachable | Unroutable:
    if getattr(error, "reply_code", None) in MESSAGE_S_OWN:
        return Unroutable(f"expected a message that the broker takes, got: {error}")
    return DependencyUnreachable("the Celery broker", str(error))
