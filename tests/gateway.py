"""Gateways for tests: the local data plane in a thread, and one that answers as it is told."""

from __future__ import annotations

import gzip
import socket
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import orjson

from orchestrator.dev.dataplane.server import DataPlane
from orchestrator.dev.dataplane.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WRITE_KEY = "k"
Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def dataplane(folder: Path, port: int = 0) -> Iterator[DataPlane]:
    """Run the local data plane; what it accepted stays in the folder."""
    store = Store(folder / "dataplane.sqlite")
    server = DataPlane(port, WRITE_KEY, store)
    with _serving(server):
        yield server
    store.close()


class ToldGateway(ThreadingHTTPServer):
    """Answers each batch as `reply` says, and remembers the batches."""

    daemon_threads = True

    def __init__(self, reply: Callable[[list[dict[str, Any]]], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.batches: list[list[dict[str, Any]]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def gateway(reply: Callable[[list[dict[str, Any]]], Reply]) -> Iterator[ToldGateway]:
    """Run a gateway that answers as it is told."""
    server = ToldGateway(reply)
    with _serving(server):
        yield server


@contextmanager
def dripping() -> Iterator[str]:
    """Take one connection, and send the beginning of an answer at one byte in a twentieth of a second; give the URL."""
    over = Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000:
                if over.wait(0.05):
                    return
                connection.sendall(bytes([byte]))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=drip, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
    thread.join(10)


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ToldGateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        batch = orjson.loads(gzip.decompress(body))["batch"]
        self.server.batches.append(batch)
        status, headers, answer = self.server.reply(batch)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(answer)), "Connection": "close"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Write no line for each request."""
