"""The server-less bus as a kombu transport and a Celery broker: `redrive+sqlite:////abs/path/bus.sqlite`.

Importing this module registers it. A publish is on disk when it returns (synchronous FULL). A get leases the message
to the process, an acknowledgement deletes it. What a process held when it died is delivered again, as `redelivered`,
to whichever consumer polls a second later. A consumer without acknowledgements is given a message once. Not supported:
queue arguments that bound a queue or name a dead-letter exchange (eventbus/channel.py refuses them), headers exchanges.
"""

from __future__ import annotations

import sqlite3
import time
from queue import Empty
from typing import TYPE_CHECKING, Any, Final

from kombu.transport import TRANSPORT_ALIASES, virtual

from eventbus.channel import Channel, UnroutableMessage
from eventbus.sqlite_bus import Bus
from eventbus.sqlite_exchanges import EXCHANGE_TYPES
from eventbus.sqlite_file import BusFileError, bus_path

if TYPE_CHECKING:
    from kombu import Connection
    from kombu.asynchronous import Hub

__all__ = ["ALIAS", "POLL_SECONDS", "Transport", "UnroutableMessage"]

ALIAS: Final = "redrive"
POLL_SECONDS: Final = 0.005
_DELIVERIES_IN_A_ROW: Final = 100


class Transport(virtual.Transport):
    """A kombu connection to one bus file; usable in Celery's event loop and in blocking loops."""

    Channel = Channel
    driver_type = ALIAS
    driver_name = "sqlite3"
    polling_interval = POLL_SECONDS
    connection_errors = (*virtual.Transport.connection_errors, BusFileError, sqlite3.OperationalError)
    recoverable_connection_errors = connection_errors
    recoverable_channel_errors = ()
    implements = virtual.Transport.implements.extend(asynchronous=True, exchange_type=EXCHANGE_TYPES)

    def __init__(self, client: Connection, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.bus = Bus(bus_path(";".join(client.alt) or f"{ALIAS}+{client.hostname}"))
        self._loop: Hub | None = None
        self._ticker: Any = None

    def establish_connection(self) -> Transport:
        """Open the bus file; raises BusFileError when that cannot be done."""
        self.bus.open()
        super().establish_connection()
        return self

    def close_connection(self, connection: object) -> None:
        """Give back what was not acknowledged, delete this connection's exclusive queues, close the file."""
        self.unregister_from_event_loop(connection, self._loop)
        super().close_connection(connection)
        self.bus.close()

    def register_with_event_loop(self, connection: object, loop: Hub) -> None:
        """Poll the file from Celery's event loop every `polling_interval` seconds."""
        self.unregister_from_event_loop(connection, self._loop)
        self._loop = loop
        self._ticker = loop.call_repeatedly(self.polling_interval, self._drain_ready)

    def unregister_from_event_loop(self, connection: object, loop: object) -> None:  # noqa: ARG002 - kombu's signature
        """Poll no longer."""
        ticker, self._ticker, self._loop = self._ticker, None, None
        if ticker is not None:
            ticker.cancel()

    def wake(self) -> None:
        """Have the event loop poll before the next tick: a message was settled, so another may be fetched."""
        if self._loop is not None:
            self._loop.call_soon(self._drain_ready)

    def _drain_ready(self) -> None:
        for _ in range(_DELIVERIES_IN_A_ROW):
            try:
                self.cycle.get(None)
            except Empty:
                return

    def _drain_channel(self, channel: virtual.Channel, callback: object, timeout: float | None = None) -> None:
        self.bus.sweep(time.monotonic())
        channel.drain_events(timeout=timeout, callback=callback)


TRANSPORT_ALIASES[ALIAS] = f"{__name__}:Transport"
