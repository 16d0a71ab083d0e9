"""Publishing a failed task again: same body, headers and properties, same place, a header that names the attempt."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from kombu.exceptions import KombuError

from eventbus.transport import UnroutableMessage
from eventbus.wire import ATTEMPT_HEADER, thaw
from orchestrator.bus.connecting import connect
from orchestrator.domain.errors import DependencyUnreachable, Unroutable

if TYPE_CHECKING:
    from uuid import UUID

    from kombu import Connection, Producer

    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route

DROPPED_HEADERS: Final = frozenset(
    {"eta", "x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"}
)
# Not `expiration`, which kombu reads in another unit, nor `user_id`, which a broker checks against who publishes.
KEPT_PROPERTIES: Final = frozenset(
    {"correlation_id", "reply_to", "priority", "delivery_mode", "message_id", "timestamp", "type", "app_id"}
)
# Celery's native delayed delivery puts 28 binary digits before the routing key.
DELAY_PREFIX: Final = re.compile(r"^(?:[01]\.){28}")
CONFIRM_SECONDS: Final = 10.0


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
        headers = _headers(message, attempt_id)
        with self._turn:
            try:
                self._send(message, headers, route)
            except UnroutableMessage as error:
                raise Unroutable(str(error)) from error
            except (KombuError, OSError, *self._broker_errors()) as error:
                self.close()
                if getattr(error, "reply_code", None) == HTTPStatus.NOT_FOUND:
                    raise Unroutable(f"expected exchange {message.exchange!r} to exist: {error}") from error
                raise DependencyUnreachable("the Celery broker", str(error)) from error

    def _broker_errors(self) -> tuple[type[BaseException], ...]:
        connection = self._connection
        return (*connection.connection_errors, *connection.channel_errors) if connection else ()

    def _send(self, message: TaskMessage, headers: dict[str, Any], route: Route | None) -> None:
        self._returned.clear()
        exchange, key = ("", route.queue) if route else (message.exchange, DELAY_PREFIX.sub("", message.routing_key))
        self._ready().publish(
            message.body,
            exchange=exchange,
            routing_key=key,
            headers=headers,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            compression=headers.get("compression"),
            mandatory=True,
            timeout=CONFIRM_SECONDS,
            **{name: thaw(value) for name, value in message.properties.items() if name in KEPT_PROPERTIES},
        )
        if self._returned:
            raise Unroutable(f"expected a queue behind exchange {exchange!r} and key {key!r}: {self._returned[0]}")

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


def _headers(message: TaskMessage, attempt_id: UUID) -> dict[str, Any]:
    _refuse_expired(message.headers.get("expires"))
    headers = {name: thaw(value) for name, value in message.headers.items() if name not in DROPPED_HEADERS}
    return headers | {ATTEMPT_HEADER: str(attempt_id)}


def _refuse_expired(expires: Any) -> None:  # noqa: ANN401 - a header may hold anything
    if not isinstance(expires, str):
        return
    moment = datetime.fromisoformat(expires)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= datetime.now(UTC):
        raise Unroutable(
            f"expected a task that may still run, got one that expired at {expires}; a worker would drop it"
        )
