"""The HTTP front of the sample app, a process of its own: `python -m loadtests.apps.front`.

POST /calls {context_tokens, generated_tokens} enqueues `call_model` and answers 202 with its id; GET /calls/{id} tells
its state. GET /calls lists what was enqueued, each with its tokens and the time just before (`sent`, seconds of the
system's monotonic clock). POST /control {queue, block} says where calls go from now on, and which block of a run they
belong to.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from loadtests.apps.lifecycle import announce, end_with
from loadtests.apps.llm_app import app as celery_app
from loadtests.apps.llm_app import call_model

STOP_SECONDS: Final = 5
MOST_TOKENS: Final = 1_000_000


class Call(BaseModel):
    """What a user asks for."""

    model_config = ConfigDict(extra="forbid")
    context_tokens: int = Field(ge=0, le=MOST_TOKENS)
    generated_tokens: int = Field(ge=0, le=MOST_TOKENS)


class Control(BaseModel):
    """Where calls go from now on; a queue of None is the app's own."""

    model_config = ConfigDict(extra="forbid")
    queue: str | None = None
    block: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """One call that was enqueued: `sent` is when, in seconds of the monotonic clock that all processes share."""

    id: str
    block: str
    sent: float
    generated_tokens: int


class Desk:
    """What the front remembers."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._control = Control()
        self._sent: list[Sent] = []

    def switch(self, control: Control) -> None:
        """Send what comes from now on elsewhere."""
        with self._lock:
            self._control = control

    def enqueue(self, call: Call) -> str:
        """Enqueue one call; gives its id once the broker has it."""
        control, sent = self._control, time.monotonic()
        task_id = str(call_model.apply_async(kwargs=call.model_dump(), queue=control.queue).id)
        with self._lock:
            self._sent.append(Sent(task_id, control.block, sent, call.generated_tokens))
        return task_id

    def sent(self) -> list[Sent]:
        """List what was enqueued, in order."""
        with self._lock:
            return list(self._sent)


def create_app() -> FastAPI:
    """Make the application."""
    front, desk = FastAPI(title="Sample front"), Desk()

    @front.post("/calls", status_code=HTTPStatus.ACCEPTED)
    def enqueue(call: Call, request: Request, response: Response) -> dict[str, Any]:
        task_id = desk.enqueue(call)
        response.headers["Location"] = str(request.url_for("read", task_id=task_id).path)
        return {"id": task_id}

    @front.get("/calls/{task_id}")
    def read(task_id: str) -> dict[str, Any]:
        return {"id": task_id, "state": celery_app.AsyncResult(task_id).state}

    @front.get("/calls")
    def sent() -> dict[str, Any]:
        return {"calls": [asdict(each) for each in desk.sent()]}

    @front.post("/control")
    def control(body: Control) -> dict[str, Any]:
        desk.switch(body)
        return body.model_dump()

    return front


def main() -> int:
    """Serve until told to stop, or until the parent is gone."""
    options = _options()
    listener = socket.create_server(("127.0.0.1", options.port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(create_app(), log_config=None, access_log=False, timeout_graceful_shutdown=STOP_SECONDS)
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
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
