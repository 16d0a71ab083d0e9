"""A TCP proxy that makes the other side slow, silent or gone, for real: what is behind it does not notice."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from enum import StrEnum
from queue import Queue
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

    Line = Queue[tuple[float, bytes] | None]

CHUNK: Final = 65536
CONNECT_SECONDS: Final = 3
# Pieces of one direction that may be on their way: whoever sends more waits, as on a real line.
ON_ITS_WAY: Final = 256
SLICES_PER_SECOND: Final = 20
# Closing such a socket resets its connection.
RESET: Final = struct.pack("ii", 1, 0)


class Weather(StrEnum):
    """How the proxy treats what comes."""

    CLEAR = "clear"
    SLOW = "slow"
    LATENCY = "latency"
    BANDWIDTH = "bandwidth"
    BLACK_HOLE = "black_hole"
    CUT = "cut"
    DOWN = "down"


ENDING: Final = frozenset({Weather.CUT, Weather.DOWN})


class Proxy:
    """Listens on loopback and passes bytes on to `host`:`port` as `weather` allows; on a free port if none is given.

    SLOW holds each piece for `delay` seconds, one after the other; LATENCY brings every piece `amount` seconds later,
    as a longer way would; BANDWIDTH lets `amount` bytes a second pass in each direction of a connection; BLACK_HOLE
    accepts and never passes anything on; CUT resets open connections, and new ones once they are made; DOWN ends open
    ones in order and refuses new ones. A context manager; the weather may change at any time.
    """

    def __init__(
        self, host: str, port: int, weather: Weather = Weather.CLEAR, delay: float = 0.2, listen: int = 0
    ) -> None:
        self._target = (host, port)
        self._weather = weather
        self._delay = delay
        self._amount = 0.0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        with socket.create_server(("127.0.0.1", listen)) as probe:
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        self.turn(self._weather)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.turn(Weather.DOWN)

    def turn(self, weather: Weather, amount: float = 0.0) -> None:
        """Change the weather, for open connections too; `amount` is LATENCY's seconds, BANDWIDTH's bytes a second."""
        self._amount = amount
        self._weather = weather
        if weather is Weather.DOWN:
            self._stop_listening()
        if weather in ENDING:
            self._end_all(reset=weather is Weather.CUT)
        if weather is not Weather.DOWN and self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _end_all(self, *, reset: bool) -> None:
        with self._lock:
            ended, self._open = self._open, set()
        for each in ended:
            with suppress(OSError):
                if reset:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                # Who reads here wakes up; what closes afterwards tells the other side, by a reset where it is one.
                each.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        target = self._connected(caller)
        if target is None:
            caller.close()
            return
        with self._lock:
            self._open |= {caller, target}
        if self._weather in ENDING:  # it turned meanwhile
            self._end_all(reset=self._weather is Weather.CUT)
        back = threading.Thread(target=self._pump, args=(target, caller), daemon=True)
        back.start()
        self._pump(caller, target)
        back.join()
        with self._lock:
            self._open -= {caller, target}
        caller.close()
        target.close()

    def _connected(self, caller: socket.socket) -> socket.socket | None:
        """Connect to what is behind; None where it is away, or the weather is not so."""
        if self._weather is Weather.CUT:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return None
        try:
            target = socket.create_connection(self._target, CONNECT_SECONDS)
        except OSError:
            return None
        target.settimeout(None)
        for each in (caller, target):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return target

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Read what comes, each piece with the moment at which it is due on the other side."""
        line: Line = Queue(ON_ITS_WAY)
        end = threading.Thread(target=self._deliver, args=(line, source, sink), daemon=True)
        end.start()
        with suppress(OSError):
            while piece := source.recv(CHUNK):
                line.put((time.monotonic() + (self._amount if self._weather is Weather.LATENCY else 0), piece))
        line.put(None)
        end.join()

    def _deliver(self, line: Line, source: socket.socket, sink: socket.socket) -> None:
        broken = False
        while (entry := line.get()) is not None:
            try:
                if not broken:
                    self._send(sink, *entry)
            except OSError:
                broken = True  # nobody takes it any more: the other side is told by the end of its own connection
                with suppress(OSError):
                    source.shutdown(socket.SHUT_RD)
        if self._weather is not Weather.CUT:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def _send(self, sink: socket.socket, due: float, piece: bytes) -> None:
        time.sleep(max(0.0, due - time.monotonic()))
        if self._weather is Weather.SLOW:
            time.sleep(self._delay)
        # The amount is gone where the weather has just cleared.
        while piece and self._weather is Weather.BANDWIDTH and (rate := self._amount):
            size = max(1, int(rate / SLICES_PER_SECOND))
            time.sleep(len(piece[:size]) / rate)  # what has not all passed has not come
            sink.sendall(piece[:size])
            piece = piece[size:]
        if piece and self._weather is not Weather.BLACK_HOLE:
            sink.sendall(piece)
