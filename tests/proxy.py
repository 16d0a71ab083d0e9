"""A TCP proxy between a client and a server on loopback that can be cut: refused and reset, or black-holed."""

from __future__ import annotations

import random
import socket
import struct
import threading
from contextlib import suppress
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit, urlunsplit

# Below the ports that the kernel hands out, so that nobody takes the port while nothing listens on it.
PORTS = range(12_000, 32_000)
RESET = struct.pack("ii", 1, 0)


class Cut(StrEnum):
    """What a client meets while the proxy is cut."""

    REFUSED = "refused"
    BLACK_HOLE = "black hole"


class Proxy:
    """Forwards connections to the server of a URL; `url` is that URL by way of the proxy. Open at first."""

    def __init__(self, url: str, default_port: int = 5672) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or default_port)
        self._cut: Cut | None = None
        self._pairs: list[tuple[socket.socket, socket.socket | None]] = []
        self._lock = threading.Lock()
        self._listener, self.port = _listen()
        login, _, _ = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc=f"{login}{'@' if login else ''}127.0.0.1:{self.port}"))
        self._accept()

    def __enter__(self) -> Self:
        """Serve."""
        return self

    def __exit__(self, *_: object) -> None:
        """Serve no more, and leave no connection."""
        self.cut(Cut.REFUSED)

    def cut(self, how: Cut) -> None:
        """Cut every connection, and meet new ones the same way."""
        with self._lock:
            self._cut = how
        if how is Cut.REFUSED:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._reset_all()

    def mend(self) -> None:
        """Forward again; what was connected through the black hole is reset."""
        with self._lock:
            was, self._cut = self._cut, None
        self._reset_all()
        if was is Cut.REFUSED:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._accept()

    def say(self, words: bytes) -> None:
        """Tell every client something in the server's name."""
        with self._lock:
            for client, _ in self._pairs:
                client.sendall(words)

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = None if self._cut else socket.create_connection(self._target)
            with self._lock:
                self._pairs.append((client, server))
            if server is not None:
                threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self._cut is None:
                    sink.sendall(data)
            if self._cut is None:
                sink.shutdown(socket.SHUT_WR)

    def _reset_all(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for each in (end for pair in pairs for end in pair if end is not None):
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                each.shutdown(socket.SHUT_RD)
            each.close()


def _listen() -> tuple[socket.socket, int]:
    for port in random.sample(PORTS, 100):
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port)), port
    raise OSError(f"expected a free port between {PORTS.start} and {PORTS.stop}, got none of 100")
