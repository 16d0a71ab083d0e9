"""Tasks that fail in their first run and write down in each run what they got, as a worker's task sees it."""

from __future__ import annotations

import json
import os
import threading
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery

from eventbus.celery_plugin import install

if TYPE_CHECKING:
    from celery import Task

SEEN = (
    *("id", "root_id", "parent_id", "group", "group_index", "shadow", "retries", "timelimit", "origin", "argsrepr"),
    *("kwargsrepr", "ignore_result", "replaced_task_nesting", "stamped_headers", "stamps", "correlation_id"),
    *("reply_to", "callbacks", "errbacks", "chain", "chord", "expires"),
)


def resolve(_task: str, task_id: str, path: str) -> str:
    """Give a redacted argument back, as the vault of an application would."""
    if "unknown" in task_id:
        raise LookupError(f"nothing under {path}")
    return f"resolved {path}"


app = Celery("fidelity_app", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    accept_content=["json", "pickle", "yaml", "msgpack"],
    result_accept_content=["json"],
)
install(app, resolver=resolve if os.environ.get("RESOLVER") else None)


def fail_first(task: Task, args: Any, kwargs: Any) -> int:  # noqa: ANN401 - whatever it was called with
    """Write this run down; raise in the first one."""
    request = task.request
    path = Path(os.environ["RUNS"])
    number = path.read_text().count(f'"run": "{request.id}"') if path.exists() else 0
    run = {name: getattr(request, name, None) for name in SEEN}
    run |= {
        "args": repr(args),
        "kwargs": repr(kwargs),
        "mine": request.headers.get("mine") if request.headers else None,
    }
    run |= {"auth": (request.headers or {}).get("authorization"), "priority": request.delivery_info.get("priority")}
    with path.open("a") as runs:
        runs.write(json.dumps(run | {"run": request.id}, sort_keys=True, default=str) + "\n")
    if number == 0:
        raise ConnectionResetError(f"the first run of {args!r} {kwargs!r}")
    return number


@app.task(name="fidelity_app.once", bind=True)
def once(self: Task, *args: object, **kwargs: object) -> int:
    """Fail once."""
    return fail_first(self, args, kwargs)


@app.task(name="fidelity_app.large", bind=True)
def large(self: Task, body: str) -> str:
    """Fail once, and give the hash of what it got."""
    fail_first(self, (len(body),), {})
    return sha256(body.encode()).hexdigest()


@app.task(name="fidelity_app.secret", bind=True, redrive={"redact": ["kwargs.password", "kwargs.card.number"]})
def secret(self: Task, user: str, password: str = "", card: object = None) -> int:
    """Fail once, with everything it got in the exception's message."""
    return fail_first(self, (user,), {"password": password, "card": card})


@app.task(name="fidelity_app.add")
def add(*values: object) -> list[object]:
    """Be the rest of a chain, or the body of a chord."""
    return list(values)


@app.task(name="fidelity_app.tell")
def tell() -> None:
    """Fail with what the environment holds."""
    raise ConnectionResetError(f"no answer: {dict(os.environ)}")


@app.task(name="fidelity_app.hold", bind=True, redrive={"redact": ["kwargs.password"]})
def hold(self: Task, *_args: object, password: str) -> None:
    """Say which process runs it, and run until that is killed."""
    with Path(os.environ["RUNS"]).open("a") as runs:
        runs.write(json.dumps({"run": self.request.id, "pid": os.getpid(), "knew": bool(password)}) + "\n")
    threading.Event().wait()


@app.task(
    name="fidelity_app.sized",
    bind=True,
    redrive={"search": ["user", "size"], "edit": {"user": {"type": "string"}, "size": {"type": "integer"}}},
)
def sized(self: Task, user: str, size: int = 1, *, note: str = "") -> int:
    """Fail once; who searches and edits finds `user` and `size`, however they were passed."""
    return fail_first(self, (user, size), {"note": note})
