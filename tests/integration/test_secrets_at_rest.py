"""What a killed worker leaves on its disk, with the bus away: journal, spool, stored bodies, and no secret in them."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.test_secrets import forms
from tests.integration.worker_harness import CHECKOUT, WorkerBench

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD, HEADER, URL, VARIABLE = "planted-argument", "planted-header", "planted-url-word", "planted-variable"
SECRETS = (PASSWORD, HEADER, URL, VARIABLE)
# The user's own, beside our folders: the broker, the result backend, the tasks' own file, Celery's log.
NOT_OURS = ("broker.sqlite", "results.sqlite", "runs", "worker.log")
OUR_LINES = re.compile(
    "|".join(re.findall(r"^\| `([\w.]+)`", Path(CHECKOUT / "docs/logs.md").read_text(), re.MULTILINE))
)


@pytest.fixture(params=["in events", "stored"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkerBench]:
    """A worker whose bus is away, with a password in its URL and a secret in its environment."""
    bench = WorkerBench(
        tmp_path,
        f"redrive+sqlite:///{tmp_path}/broker.sqlite",
        f"amqp://user:{URL}@127.0.0.1:1//",
        app="tests.integration.fidelity_app",
        C_FORCE_ROOT="yes",
        SMTP_PASS=VARIABLE,
        REDRIVE_CLAIM_ABOVE="10" if request.param == "stored" else "100000",
    )
    with bench:
        yield bench


def test_what_a_killed_worker_leaves_holds_no_secret(bench: WorkerBench, request: pytest.FixtureRequest) -> None:
    """One run is in flight, three have failed; one was given another task's signature, one tells its environment."""
    stored = "stored" in request.node.name
    inner: dict[str, Any] = {"task": "fidelity_app.secret", "args": [], "kwargs": {"password": PASSWORD}, "options": {}}
    given = {"headers": {"authorization": HEADER}}
    failed = [
        bench.app.send_task("fidelity_app.secret", ["ann"], {"password": PASSWORD}, **given),
        bench.app.send_task("fidelity_app.once", [inner], **given),
        bench.app.send_task("fidelity_app.tell"),
    ]
    bench.wait_for(lambda: all(left_by(bench, "*.spool", each.id) for each in failed) or None)
    held = bench.app.send_task("fidelity_app.hold", [inner], {"password": PASSWORD}, **given)
    (pid,) = bench.wait_for(lambda: [int(each) for each in re.findall(r'"pid": (\d+)', " ".join(bench.runs))] or None)
    bench.wait_for(lambda: left_by(bench, "runs", held.id) or None)
    bench.kill()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    assert bool(list(bench.folder.glob("claims/*/*"))) is stored
    ours = {str(path): path.read_bytes() for path in files_of(bench.folder) if not_the_users(bench, path)}
    ours["worker.log"] = "\n".join(line for line in bench.log.splitlines() if OUR_LINES.search(line)).encode()
    assert b"bus.unreachable" in ours["worker.log"]
    found = {name: secret for name, content in ours.items() for secret in SECRETS if stands_in(secret, content)}
    assert found == {}
    assert stands_in(PASSWORD, (bench.folder / "broker.sqlite").read_bytes() + bench.log.encode())


def files_of(folder: Path) -> list[Path]:
    """List all files beneath a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def not_the_users(bench: WorkerBench, path: Path) -> bool:
    """Tell whether a file is one of ours."""
    return path.parent != bench.folder or not path.name.startswith(NOT_OURS)


def left_by(bench: WorkerBench, pattern: str, task_id: str) -> list[Path]:
    """List the files of the spool's folder in which a task stands."""
    named = [path for path in bench.spool.rglob(pattern) if path.is_file()]
    return [path for path in named if task_id.encode() in path.read_bytes()]


def stands_in(secret: str, content: bytes) -> bool:
    """Tell whether a secret stands in some bytes, in base64 too."""
    return any(form in content for form in forms(secret))
