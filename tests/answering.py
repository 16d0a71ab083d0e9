"""A server on loopback that does to each connection what a test tells it: answers, drips, hangs, or breaks TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Answering:
    """Listens on a free port, and handles each connection in a thread. `requests` keeps what was asked."""

    def __init__(self, behave: Callable[[socket.socket, Event], None], tls: ssl.SSLContext | None = None) -> None:
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stop = Event()
        self._threads: list[Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []

    def serve(self) -> None:
        """Accept until the listener is closed."""
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = Thread(target=self._handle, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _handle(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(20)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self.requests.append(connection.recv(65_536))
                self._behave(connection, self._stop)

    def stop(self) -> None:
        """Close, and wait for every thread."""
        self._stop.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)


@contextmanager
def answering(behave: Callable[[socket.socket, Event], None], tls: ssl.SSLContext | None = None) -> Iterator[Answering]:
    """Run such a server."""
    server = Answering(behave, tls)
    thread = Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(20)


def says(status: str, body: bytes = b"", *headers: str) -> Callable[[socket.socket, Event], None]:
    """Answer with a status line, headers and a body."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])

    def behave(connection: socket.socket, _stop: Event) -> None:
        connection.sendall(head.encode() + body)

    return behave


def hangs(connection: socket.socket, stop: Event) -> None:
    """Say nothing."""
    del connection
    stop.wait(20)


def drips(start: bytes) -> Callable[[socket.socket, Event], None]:
    """Send a beginning, and then one more byte every now and then: no single read takes long."""

    def behave(connection: socket.socket, stop: Event) -> None:
        connection.sendall(start)
        while not stop.wait(0.05):
            connection.sendall(b"x")

    return behave


def floods(connection: socket.socket, stop: Event) -> None:
    """Send a body without an end, as fast as it is taken."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b"x" * 65_536)


def certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    path, key = folder / "self.pem", folder / "self.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + key.read_text())
    return path


def context(path: Path) -> ssl.SSLContext:
    """Make the TLS of a server that shows this certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(path)
    return made
