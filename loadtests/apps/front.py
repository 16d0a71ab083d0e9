"""The HTTP front of the sample app, a process of its own: `python -m loadtests.apps.front`.

POST /calls {context_tokens, generated_tokens} enqueues `call_model` and answers 202 with its id, or 503 where the
broker did not take it; the caller may give it the `id`, a UUID. `intended` is when the user meant to ask, in seconds of
this machine's monotonic clock, and `malformed` makes a call that never succeeds. GET /calls/{id} tells its state. GET
/calls lists what was enqueued, each with its tokens and the time just before (`sent`); with --log each is a line of
that file, as loadtests/stamps.py says. GET /clock tells this machine's clock. POST /control {queue, block} says where
calls go from now on, and which block of a run they belong to.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any, Final
from uuid import UUID

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from kombu.exceptions import OperationalError
from pydantic import BaseModel, ConfigDict, Field

from loadtests.apps.appending import append
from loadtests.apps.lifecycle import announce, end_with
from loadtests.apps.llm_app import app as celery_app
from loadtests.apps.llm_app import call_model
from loadtests.stamps import line, read_lines

log = logging.getLogger(__name__)
STOP_SECONDS: Final = 5
MOST_TOKENS: Final = 1_000_000
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Call(BaseModel):
    """What a user asks for, and when he meant to."""

    model_config = ConfigDict(extra="forbid")
    context_tokens: int = Field(ge=0, le=MOST_TOKENS)
    generated_tokens: int = Field(ge=0, le=MOST_TOKENS)
    id: UUID | None = None
    intended: float | None = Field(default=None, ge=0)
    malformed: bool = False

    def as_arguments(self) -> dict[str, Any]:
        """Give the arguments of the task."""
        tokens = {"context_tokens": self.context_tokens, "generated_tokens": self.generated_tokens}
        return tokens | ({"malformed": True} if self.malformed else {})


class Control(BaseModel):
    """Where calls go from now on; a queue of None is the app's own."""

    model_config = ConfigDict(extra="forbid")
    queue: str | None = None
    block: str = Field(default="", pattern=r"^\S*$")


@dataclass(frozen=True, slots=True)
class Sent:
    """One call that was enqueued: `sent` is when, in seconds of the monotonic clock that all processes share."""

    id: str
    block: str
    intended: float
    sent: float
    context_tokens: int
    generated_tokens: int
    malformed: bool

    @classmethod
    def of_line(cls, text: str) -> Sent:
        """Read one of our own lines."""
        _, task_id, block, intended, sent, context, generated, malformed = text.split()
        named = "" if block == "-" else block
        return cls(task_id, named, float(intended), float(sent), int(context), int(generated), malformed == "1")

    def as_line(self) -> str:
        """Give it as a line of the log."""
        return line("sent", *asdict(self).values())


class Desk:
    """What the front remembers; with a `log` the file remembers for it."""

    def __init__(self, log: Path | None = None) -> None:
        self._log = log
        self._lock = Lock()
        self._control = Control()
        self._sent: list[Sent] = []

    def switch(self, control: Control) -> None:
        """Send what comes from now on elsewhere."""
        with self._lock:
            self._control = control

    def enqueue(self, call: Call) -> str:
        """Enqueue one call; gives its id once the broker has it, raises kombu's OperationalError."""
        control, now = self._control, time.monotonic()
        named = str(call.id) if call.id else None
        task_id = str(call_model.apply_async(kwargs=call.as_arguments(), queue=control.queue, task_id=named).id)
        intended = now if call.intended is None else call.intended
        tokens = (call.context_tokens, call.generated_tokens)
        self._note(Sent(task_id, control.block, intended, now, *tokens, call.malformed))
        return task_id

    def _note(self, sent: Sent) -> None:
        if self._log:
            append(self._log, sent.as_line())
        else:
            with self._lock:
                self._sent.append(sent)

    def sent(self) -> list[Sent]:
        """List what was enqueued, in order."""
        if self._log:
            return [Sent.of_line(each) for each in read_lines(self._log)]
        with self._lock:
            return list(self._sent)


def create_app(log: Path | None = None) -> FastAPI:
    """Make the application; `log` is the file for what is enqueued."""
    front, desk = FastAPI(title="Sample front"), Desk(log)

    @front.post("/calls", status_code=HTTPStatus.ACCEPTED)
    def enqueue(call: Call, request: Request, response: Response) -> dict[str, Any]:
        task_id = _taken(desk, call)
        response.headers["Location"] = str(request.url_for("read", task_id=task_id).path)
        return {"id": task_id}

    @front.get("/calls/{task_id}")
    def read(task_id: str) -> dict[str, Any]:
        return {"id": task_id, "state": celery_app.AsyncResult(task_id).state}

    @front.get("/calls")
    def sent() -> dict[str, Any]:
        return {"calls": [asdict(each) for each in desk.sent()]}

    @front.get("/clock")
    def clock() -> dict[str, Any]:
        return {"monotonic": time.monotonic(), "boot": BOOT.read_text().strip() if BOOT.exists() else ""}

    @front.post("/control")
    def control(body: Control) -> dict[str, Any]:
        desk.switch(body)
        return body.model_dump()

    return front


def _taken(desk: Desk, call: Call) -> str:
    try:
        return desk.enqueue(call)
    except OperationalError as error:
        log.warning("the broker took no call: %s", error)
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the broker is away: ask again") from error


def main() -> int:
    """Serve until told to stop, or until the parent is gone."""
    options = _options()
    listener = socket.create_server(("127.0.0.1", options.port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(options.log), log_config=None, access_log=False, timeout_graceful_shutdown=STOP_SECONDS
    )
    end_with(options.parent_pid)
    # It listens already: who connects before uvicorn accepts waits in the backlog.
    announce(options.ready_file, {"url": url})
    print(url, flush=True)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The HTTP front of the sample app")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--ready-file", type=Path, help="where its URL is written, as JSON, once it serves")
    parser.add_argument("--log", type=Path, help="a file that gets a line for each call that was enqueued")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
