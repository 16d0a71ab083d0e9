"""A small model provider on loopback, with an outage that can be switched on: `python -m loadtests.apps.provider`.

POST /v1/chat/completions {model, context_tokens, generated_tokens} answers as OpenAI does, after generated_tokens times
the scale in seconds; POST /v1/charges {amount_cents} answers at once; both answer 503 while it is down.
POST /control {"up": bool} switches; GET /stats counts what was served and refused.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

LOOK_SECONDS: Final = 0.5
MODEL_VERSIONS: Final = {"gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18"}


@dataclass
class State:
    """What the provider remembers; `scale` is seconds for each generated token."""

    scale: float
    up: bool = True
    refused: int = 0
    ids: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, prefix: str) -> str | None:
        """Give the id of the next answer, or None while it is down."""
        with self.lock:
            if not self.up:
                self.refused += 1
                return None
            self.ids.append(f"{prefix}-{uuid4().hex}")
            return self.ids[-1]

    def switch(self, *, up: bool) -> None:
        """Go up or down."""
        with self.lock:
            self.up = up

    def stats(self) -> dict[str, Any]:
        """Count what was served and refused so far; `ids` are those of the answers, in order."""
        with self.lock:
            return {"up": self.up, "served": len(self.ids), "refused": self.refused, "ids": list(self.ids)}


class Provider(ThreadingHTTPServer):
    """The server; every call has a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, scale: float) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.state = State(scale)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Provider
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Tell the counts."""
        if self.path == "/stats":
            self._reply(200, self.server.state.stats())
        else:
            self._no_such_path()

    def do_POST(self) -> None:
        """Answer a call, or be switched."""
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if self.path == "/v1/chat/completions":
            self._complete(body)
        elif self.path == "/v1/charges":
            self._charge(body)
        elif self.path == "/control":
            self.server.state.switch(up=bool(body["up"]))
            self._reply(200, {"up": body["up"]})
        else:
            self._no_such_path()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Say nothing of single calls: /stats counts them."""

    def _complete(self, body: dict[str, Any]) -> None:
        state, generated = self.server.state, int(body["generated_tokens"])
        answer = state.answer("chatcmpl")
        if answer is None:
            self._refuse()
            return
        time.sleep(generated * state.scale)
        context = int(body["context_tokens"])
        usage = {
            "prompt_tokens": context,
            "completion_tokens": generated,
            "total_tokens": context + generated,
        }
        model = MODEL_VERSIONS.get(body["model"], body["model"])
        self._reply(200, {"id": answer, "object": "chat.completion", "model": model, "usage": usage})

    def _charge(self, body: dict[str, Any]) -> None:
        answer = self.server.state.answer("ch")
        if answer is None:
            self._refuse()
        else:
            self._reply(200, {"id": answer, "amount_cents": body["amount_cents"]})

    def _refuse(self) -> None:
        message = "The engine is currently overloaded, please try again later"
        self._reply(503, {"error": {"message": message, "type": "server_error", "code": None}})

    def _no_such_path(self) -> None:
        self._reply(404, {"error": {"message": f"no such path: {self.path}", "type": "invalid_request_error"}})

    def _reply(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Serve until told to stop, or until the parent is gone."""
    options = _options()
    provider = Provider(options.port, options.scale)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if options.parent_pid:
        threading.Thread(target=_end_with, args=(options.parent_pid,), daemon=True).start()
    if options.ready_file:
        draft = options.ready_file.with_name(options.ready_file.name + ".draft")
        draft.write_text(json.dumps({"url": provider.url}))
        draft.replace(options.ready_file)
    print(provider.url, flush=True)
    try:
        provider.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A small model provider on loopback")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--ready-file", type=Path, help="where its URL is written, as JSON, once it serves")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    parser.add_argument("--scale", type=float, default=0.0, help="seconds for each generated token")
    return parser.parse_args()


def _end_with(pid: int) -> None:
    """End this process once that one is gone."""
    was_parent = os.getppid() == pid
    while (not was_parent or os.getppid() == pid) and _lives(pid):
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main())
