"""A RudderStack gateway that is fast enough to be measured against: one process, one thread, nothing on disk.

    python -m loadtests.inside.data_plane --ready-file FILE --parent-pid PID

It checks what the development data plane checks (Basic auth, gzip, sizes, each message of a batch) with the same code,
and counts deliveries by messageId. GET /stats gives the counts, GET /ids each id with how often it came, POST /forget
starts afresh.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from loadtests.apps.lifecycle import announce, end_with
from orchestrator.dev.dataplane.gateway import Refusal, Request, accept

WRITE_KEY: Final = "bench"
HEAD_END: Final = b"\r\n\r\n"


@dataclass(slots=True)
class Received:
    """What came so far; `first` and `last` are unix times of batches, `first_events` is the size of the first."""

    posts: int = 0
    refused: int = 0
    first: float | None = None
    last: float | None = None
    first_events: int = 0
    ids: Counter[str] = field(default_factory=Counter)

    def take(self, request: Request) -> tuple[int, bytes]:
        """Answer one call: status and text."""
        self.posts += 1
        try:
            messages = accept(request, WRITE_KEY)
        except Refusal as refusal:
            self.refused += 1
            return refusal.status, refusal.text.encode()
        self.ids.update([str(each.get("messageId")) for each in messages])
        self.last = time.time()
        if self.first is None:
            self.first, self.first_events = self.last, len(messages)
        return 200, b"OK"

    def forget(self) -> None:
        """Start afresh."""
        self.posts = self.refused = self.first_events = 0
        self.first = self.last = None
        self.ids.clear()

    def stats(self) -> dict[str, Any]:
        """Count."""
        counted = {"deliveries": self.ids.total(), "distinct": len(self.ids), "posts": self.posts}
        times = {"first": self.first, "first_events": self.first_events, "last": self.last}
        return counted | {"refused": self.refused} | times


class Line(asyncio.Protocol):
    """One kept-open connection: reads requests one after the other."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._buffer = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember whom to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole by now."""
        self._buffer += data
        while self._answer_next():
            pass

    def _answer_next(self) -> bool:
        head_end = self._buffer.find(HEAD_END)
        if head_end < 0:
            return False
        method, path, headers = _head(bytes(self._buffer[:head_end]))
        end = head_end + len(HEAD_END) + int(headers.get("content-length", "0"))
        if len(self._buffer) < end:
            return False
        body = bytes(self._buffer[head_end + len(HEAD_END) : end])
        del self._buffer[:end]
        status, answer = self._answer(method, Request(path, headers, body))
        head = f"HTTP/1.1 {status} -\r\nContent-Type: text/plain\r\nContent-Length: {len(answer)}\r\n\r\n"
        self._transport.write(head.encode() + answer)
        return True

    def _answer(self, method: str, request: Request) -> tuple[int, bytes]:
        if method == "GET":
            wanted: object = dict(self._received.ids) if request.path == "/ids" else self._received.stats()
            return 200, orjson.dumps(wanted)
        if request.path == "/forget":
            self._received.forget()
            return 200, b"OK"
        return self._received.take(request)


def _head(text: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = text.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    return method, path, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def serve(ready_file: Path | None) -> None:
    """Serve until this process ends."""
    received = Received()
    server = await asyncio.get_running_loop().create_server(lambda: Line(received), "127.0.0.1", 0)
    announce(ready_file, {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
    await server.serve_forever()


def main() -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="A fast RudderStack gateway that counts")
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--parent-pid", type=int)
    options = parser.parse_args()
    end_with(options.parent_pid)
    asyncio.run(serve(options.ready_file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
