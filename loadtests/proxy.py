"""A TCP proxy that makes the other side slow, silent or gone, for real: what is behind it does not notice."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

CHUNK: Final = 65536
CONNECT_SECONDS: Final = 3


class Weather(StrEnum):
    """How the proxy treats what comes."""

    CLEAR = "clear"
    SLOW = "slow"
    BLACK_HOLE = "black_hole"
    DOWN = "down"


class Proxy:
    """Listens on a free port of loopback and passes bytes on to `host`:`port`, as `weather` allows.

    SLOW holds each piece for `delay` seconds on its way to the other side; BLACK_HOLE accepts and never passes anything
    on; DOWN refuses connections and resets those that are open. A context manager; the weather may change at any time.
    """

    def __init__(self, host: str, port: int, weather: Weather = Weather.CLEAR, delay: float = 0.2) -> None:
        self._target = (host, port)
        self._weather = weather
        self._delay = delay
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        self.turn(self._weather)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.turn(Weather.DOWN)

    def turn(self, weather: Weather) -> None:
        """Change the weather, for open connections too."""
        self._weather = weather
        if weather is Weather.DOWN:
            self._close()
        elif self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            ended, self._open = self._open, set()
        for each in ended:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        try:
            target = socket.create_connection(self._target, CONNECT_SECONDS)
        except OSError:
            caller.close()
            return
        target.settimeout(None)
        with self._lock:
            self._open |= {caller, target}
        back = threading.Thread(target=self._pump, args=(target, caller), daemon=True)
        back.start()
        self._pump(caller, target)
        back.join()
        with self._lock:
            self._open -= {caller, target}
        caller.close()
        target.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(CHUNK):
                if self._weather is Weather.SLOW:
                    time.sleep(self._delay)
                if self._weather is not Weather.BLACK_HOLE:
                    sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
