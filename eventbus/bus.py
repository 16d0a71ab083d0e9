"""One connection to the bus, for a thread that sends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import kombu

from eventbus import topology, wire

if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 3
CONFIRM_SECONDS: Final = 5

# Connections that belong to the parent of a fork: to collect one would shut the parent's socket down.
_inherited: list[object] = []


class BlockedError(ConnectionError):
    """The broker takes no events now: it has raised an alarm for its memory or its disk."""


class Bus:
    """One connection to the bus, opened when it is needed and again after an error.

    What `send` waits for, at most CONFIRM_SECONDS, and what it tells:

    - RabbitMQ: the publisher confirm of a mandatory message. A quorum queue confirms once a majority of its nodes has
      the message on disk. A message that no queue takes comes back, a full queue nacks, an alarm blocks the connection:
      each is an error, as are a closed channel and a confirm that does not come.
    - Redis: the reply to LPUSH. The message is in the memory of that server; on its disk when `appendfsync` says so (by
      default within a second), on a replica a little later: a server or machine that dies may lose the last second.
      A queue whose binding was deleted under the connection is an error only on the next connection.
    - SQLite: the commit, synchronous FULL: it survives a loss of power. A message that no queue takes is an error.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._producer: Any = None

    def send(self, routing_key: str, body: bytes) -> None:
        """Publish one message and wait until the broker has it; whatever its client raises: it may not have it."""
        try:
            self._open().publish(
                body,
                exchange=topology.EXCHANGE.name,
                routing_key=routing_key,
                content_type=wire.CONTENT_TYPE,
                content_encoding="binary",
                delivery_mode=2,
                mandatory=True,
                timeout=CONFIRM_SECONDS,
                confirm_timeout=CONFIRM_SECONDS,
            )
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection without waiting for the broker; the next `send` opens another."""
        connection, self._connection, self._producer = self._connection, None, None
        try:
            if connection is not None:
                connection.collect(socket_timeout=1)
        except Exception as error:  # noqa: BLE001 - the connection is given up anyway
            log.debug("bus.close_failed: %r", error)

    def abandon(self) -> None:
        """Forget, in a forked child, the connection of the parent."""
        if self._connection is not None:
            _inherited.append((self._connection, self._producer))
        self._connection = self._producer = None

    def _open(self) -> Any:  # noqa: ANN401 - kombu has no types
        if self._producer is None:
            options = _options(urlsplit(self._url).scheme)
            self._connection = kombu.Connection(self._url, connect_timeout=CONNECT_SECONDS, transport_options=options)
            # By default kombu sleeps two seconds between its two tries; when to try again is the sender's business.
            self._connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            channel = self._connection.channel()
            for queue in topology.queues(self._url):
                queue(channel).declare()
            self._producer = kombu.Producer(channel, auto_declare=False)
        return self._producer


def _refuse(reason: str) -> None:
    """Raise BlockedError: the broker said so, and to wait for its confirm is in vain."""
    raise BlockedError(f"expected a broker that takes events, got: {reason}")


def _options(scheme: str) -> dict[str, object]:
    """Give what each client needs so that no call waits for ever and every publish is confirmed."""
    if scheme in topology.AMQP_SCHEMES:
        return {"confirm_publish": True, "on_blocked": _refuse}
    if scheme in {"redis", "rediss"}:
        return {"socket_timeout": CONFIRM_SECONDS, "socket_connect_timeout": CONNECT_SECONDS}
    return {}
