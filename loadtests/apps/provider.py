"""A small model provider on loopback, with troubles that can be switched on: `python -m loadtests.apps.provider`.

POST /v1/chat/completions {model, context_tokens, generated_tokens} answers as OpenAI does, after generated_tokens times
the scale in seconds; POST /v1/charges {amount_cents} answers at once; both answer 503 while it is down, 429 while it
limits rates, and late while it is slow. A request that says `malformed` is always refused.
POST /control {"state", "retry_after", "slow"} or {"up": bool} switches; GET /health answers as a call would be; GET
/stats counts what was served and refused. With faults, it misbehaves by the clock, and by the index that a call brings
along (`call`; `first` when it was not asked before). With --asked each answer is a line of that file, as
loadtests/stamps.py says, with the task that asked by its headers X-Client-Request-Id and X-Attempt.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests.apps.appending import append
from loadtests.apps.provider_control import OrderInvalid, order_of, trouble_of
from loadtests.apps.provider_state import STATUS, State, Verdict
from loadtests.faults import FaultKind, Faults, load
from loadtests.stamps import line

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK_SECONDS: Final = 0.5
MODEL_VERSIONS: Final = {"gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
# How long an answer takes that comes too late: longer than any client of ours waits.
LATE_SECONDS: Final = 2.5
# As nginx says it: the client closed the connection before it had its answer.
CLIENT_GONE: Final = 499
REFUSALS: Final = {
    503: ("The engine is currently overloaded, please try again later", "server_error"),
    429: ("Rate limit reached for requests", "rate_limit_error"),
    400: ("The prompt is malformed: the same request will be refused again", "invalid_request_error"),
}


class Provider(ThreadingHTTPServer):
    """The server; every call has a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, state: State, asked: Path | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.state = state
        self.asked = asked

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
        """Tell the counts, or how it is."""
        if self.path == "/stats":
            self._reply(200, self.server.state.stats())
        elif self.path == "/health":
            self._tell_health()
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
            self._switch(body)
        else:
            self._no_such_path()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server calls
        """Say nothing of single calls: /stats counts them."""

    def _switch(self, body: dict[str, Any]) -> None:
        try:
            self.server.state.order(order_of(body))
        except OrderInvalid as error:
            self._reply(400, {"error": {"message": str(error), "type": "invalid_request_error"}})
        else:
            self._reply(200, body)

    def _tell_health(self) -> None:
        held = self.server.state.health()
        verdict = Verdict(STATUS.get(held.kind, 200) if held else 200, None, held)
        time.sleep(_pause(verdict))
        if verdict.status == 200:  # noqa: PLR2004 - HTTP's own number
            self._reply(200, {"status": "ok"})
        else:
            self._refuse(verdict)

    def _complete(self, body: dict[str, Any]) -> None:
        at, state, generated = time.monotonic(), self.server.state, int(body["generated_tokens"])
        first, malformed = bool(body.get("first", True)), bool(body.get("malformed"))
        verdict = state.decide("chatcmpl", body.get("call"), first=first, malformed=malformed)
        if verdict.answer is None:
            self._note(at, verdict, (0, 0), sent=self._refuse(verdict))
            return
        time.sleep(generated * state.scale + _pause(verdict))
        context = int(body["context_tokens"])
        usage = {
            "prompt_tokens": context,
            "completion_tokens": generated,
            "total_tokens": context + generated,
        }
        model = MODEL_VERSIONS.get(body["model"], body["model"])
        answer = {"id": verdict.answer, "object": "chat.completion", "model": model, "usage": usage}
        self._note(at, verdict, (context, generated), sent=self._reply(200, answer))

    def _note(self, at: float, verdict: Verdict, tokens: tuple[int, int], *, sent: bool) -> None:
        if self.server.asked:
            who = (self.headers.get("X-Client-Request-Id"), self.headers.get("X-Attempt"))
            status = verdict.status if sent else CLIENT_GONE
            append(self.server.asked, line("asked", at, *who, status, trouble_of(verdict), *tokens))

    def _charge(self, body: dict[str, Any]) -> None:
        verdict = self.server.state.decide("ch")
        if verdict.answer is None:
            self._refuse(verdict)
        else:
            self._reply(200, {"id": verdict.answer, "amount_cents": body["amount_cents"]})

    def _refuse(self, verdict: Verdict) -> bool:
        fault = verdict.fault
        headers = {}
        if fault and fault.kind is FaultKind.RATE_LIMITED:
            headers["Retry-After"] = str(math.ceil(fault.retry_after))
        message, kind = REFUSALS[verdict.status]
        return self._reply(verdict.status, {"error": {"message": message, "type": kind, "code": None}}, headers)

    def _no_such_path(self) -> None:
        self._reply(404, {"error": {"message": f"no such path: {self.path}", "type": "invalid_request_error"}})

    def _reply(self, status: int, content: dict[str, Any], headers: Mapping[str, str] | None = None) -> bool:
        """Answer, and tell whether somebody was there to hear it."""
        body = json.dumps(content).encode()
        try:
            self.send_response(status)
            for name, value in {"content-type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # the client has stopped waiting: nobody is left to tell
            return False
        return True


def _pause(verdict: Verdict) -> float:
    """Give the seconds that a fault adds to an answer."""
    if verdict.fault is None:
        return 0.0
    return {FaultKind.SLOW: verdict.fault.slow, FaultKind.TIMEOUT: LATE_SECONDS}.get(verdict.fault.kind, 0.0)


def main() -> int:
    """Serve until told to stop, or until the parent is gone."""
    options = _options()
    state = State(options.scale, load(options.faults) if options.with_faults else Faults(0), options.log)
    provider = Provider(options.port, state, options.asked)
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
    parser.add_argument("--with-faults", action="store_true", help="misbehave as the fault file says")
    parser.add_argument("--faults", type=Path, help="that file; the default one when left out")
    parser.add_argument("--log", type=Path, help="a file that gets a line for each answer, for the demo")
    parser.add_argument("--asked", type=Path, help="a file that gets a line for each answer, for the load test")
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
