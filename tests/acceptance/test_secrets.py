"""A planted password is found nowhere that it should not be, in files, logs, rows, answers and metrics."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from base64 import b64encode
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import kombu
import redis
import requests
from celery import Celery

from eventbus import topology
from orchestrator.dev.processes import Child, start
from orchestrator.dev.stack import Engines
from tests.acceptance.field import ROOT, Field
from tests.proxy import Cut, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

PLANTED = {
    "in the URLs": "planted@url-word",
    "in an argument": "planted-argument-word",
    "in a header": "planted-header-word",
    "in the environment": "planted-token-word",
}
# An argument that no rule names: where it is not found, the search could find nothing else either.
VISIBLE = "visible-argument-word"
# Where it may be, and is: Celery's own log line of an exception, and what the user's result backend holds of it.
CELERY_S_LOG = "worker.log"


def forms(secret: str) -> set[bytes]:
    """Give every way in which a secret may stand somewhere: as it is, percent-encoded, within base64."""
    plain = secret.encode()
    shifted = (b64encode(b"x" * by + plain)[4 * (by > 0) : -4] for by in range(3))
    return {plain, quote(secret, safe="").encode(), *shifted}


def stands_in(content: bytes, word: str) -> bool:
    """Tell whether a word stands in some bytes, in any of its forms."""
    return any(form in content for form in forms(word))


def found_in(content: bytes) -> list[str]:
    """Name the secrets that stand in some bytes."""
    return [where for where, secret in PLANTED.items() if stands_in(content, secret)]


def said_by_us(log: Path) -> bytes:
    """Give what the loggers of the event bus wrote to a worker's log, tracebacks included."""
    records = re.split(rb"(?m)^(?=\[\d{4}-)", log.read_bytes())
    return b"".join(each for each in records if re.match(rb"\[[^]]*\] (eventbus|redrive)\b", each))


@contextmanager
def planted_user(url: str) -> Iterator[str]:
    """Give a Redis database's URL with a user of its own whose password is the planted one."""
    name, secret = f"u{uuid4().hex}", PLANTED["in the URLs"]
    with redis.Redis.from_url(url) as admin:
        admin.execute_command("ACL", "SETUSER", name, "on", f">{secret}", "~*", "&*", "+@all")
        try:
            yield url.replace("redis://", f"redis://{name}:{quote(secret, safe='')}@")
        finally:
            admin.execute_command("ACL", "DELUSER", name)


class SecretField(Field):
    """A field whose worker knows secrets and tells them all in its exceptions."""

    def _backend(self) -> str:
        return self.stack.engines.bus

    def _environ(self) -> dict[str, str]:
        return super()._environ() | {"VAULT_TOKEN": PLANTED["in the environment"]}


def answers(field: Field, known: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Ask every GET route that the API has, with ids that are known."""
    routes = requests.get(f"{field.stack.api_url}/openapi.json", timeout=10).json()["paths"]
    for path in [*(path for path, verbs in routes.items() if "get" in verbs), "/metrics", "/openapi.json"]:
        url = re.sub(r"{(\w+)}", lambda match: known.get(match[1], str(uuid4())), path)
        with requests.get(f"{field.stack.api_url}{url}", timeout=(10, 3), stream=True) as answer:
            yield url, _said(answer)


def _said(answer: requests.Response) -> bytes:
    """Give what was answered; of a stream that does not end, what it tells before it is silent for three seconds."""
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        return answer.content
    told = b""
    with suppress(requests.ConnectionError):
        for chunk in answer.iter_content(None):
            told += chunk
    assert told
    return told


def rows(database: Path) -> Iterator[bytes]:
    """Give every row of every table of a SQLite file."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - a name of the file's own
                yield b"\0".join(each if isinstance(each, bytes) else str(each).encode() for each in row)


def test_a_planted_password_is_found_nowhere_it_should_not_be(
    redis_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures run through to recovery and to refusal; the search finds what it may find, and nothing anywhere else."""
    monkeypatch.setenv("VAULT_TOKEN", PLANTED["in the environment"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    with planted_user(redis_db) as url:
        field = SecretField(tmp_path, Engines(bus=url), app="tests.acceptance.secrets_app")
        field.start()
        try:
            told = dict(answered(field))
        finally:
            field.stop()
        with redis.Redis.from_url(redis_db) as server:
            backend = b"".join(server.get(key) or b"" for key in server.scan_iter("celery-task-meta-*"))
    assert set(found_in(backend)) == set(PLANTED)  # the user's own result backend: the search can find
    assert set(found_in((tmp_path / CELERY_S_LOG).read_bytes())) == set(PLANTED)
    assert found_in(said_by_us(tmp_path / CELERY_S_LOG)) == []
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != CELERY_S_LOG]
    assert {path.name for path in files} >= {"ledger.sqlite", "eventlog.sqlite", "warehouse.sqlite", "orchestrator.log"}
    assert {str(path): found for path in files if (found := found_in(path.read_bytes()))} == {}
    databases = [path for path in files if path.suffix == ".sqlite" or path.read_bytes()[:6] == b"SQLite"]
    assert {str(path): found for path in databases for row in rows(path) if (found := found_in(row))} == {}
    assert {url: found for url, content in told.items() if (found := found_in(content))} == {}


def answered(field: SecretField) -> Iterator[tuple[str, bytes]]:
    """Let one task recover and another be refused; give all that the API says."""
    recovering = field.sender.send_task("tests.acceptance.secrets_app.fragile")
    header = {"authorization": PLANTED["in a header"]}
    refused = field.sender.send_task(
        "tests.acceptance.secrets_app.pay", ["ann"], {"password": PLANTED["in an argument"]}, headers=header
    )
    incidents = field.until("both incidents", lambda: found if len(found := field.incidents()) == 2 else None)
    field.until("one to recover", lambda: any(each["state"] == "recovered" for each in field.incidents()))
    assert recovering.get(timeout=20) == "well"
    answer = field.command("POST", "/api/v1/recovery/retry", {"task_id": refused.id, "reason": "try"})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("#not-redrivable")
    assert "kwargs.password" in answer.json()["detail"]
    yield "the refusal", answer.content
    for incident in incidents:
        (failure,) = field.ask(f"/api/v1/incidents/{incident['id']}/failures")["failures"]
        releases = field.ask(f"/api/v1/incidents/{incident['id']}")["releases"]
        known = {"incident_id": incident["id"], "failure_id": failure["id"]}
        yield from answers(field, known | ({"release_id": releases[0]["id"]} if releases else {}))


@dataclass
class InFlight:
    """A worker of the same app whose broker is up and whose bus is behind a proxy; all its files are in `folder`."""

    folder: Path
    broker: str
    bus: str

    def start(self) -> Child:
        """Start the worker."""
        environ = {
            "ACCEPTANCE_FOLDER": str(self.folder),
            "ACCEPTANCE_BROKER": self.broker,
            "ACCEPTANCE_BACKEND": self.broker,
            "REDRIVE_BUS_URL": self.bus,
            "REDRIVE_SPOOL_DIR": str(self.folder / "spool"),
            "VAULT_TOKEN": PLANTED["in the environment"],
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        options = ["-c", "2", "-n", "planted@here", "-l", "DEBUG", "--without-gossip", "--without-mingle"]
        command = ["-m", "celery", "-A", "tests.acceptance.secrets_app", "worker", *options]
        return start("worker", command, self.folder, environ)

    def send(self, *tasks: str) -> None:
        """Send tasks that are given secrets."""
        with Celery("sender", broker=self.broker, set_as_current=False) as sender:
            for each in tasks:
                sender.send_task(
                    f"tests.acceptance.secrets_app.{each}",
                    [VISIBLE],
                    {"password": PLANTED["in an argument"]},
                    headers={"authorization": PLANTED["in a header"]},
                )

    def files(self) -> dict[str, bytes]:
        """Give what stands in every file that the plugin keeps, by its path within its folder."""
        folder, held = self.folder / "spool", {}
        for path in folder.rglob("*"):
            try:
                held[str(path.relative_to(folder))] = path.read_bytes() if path.is_file() else b""
            except FileNotFoundError:
                continue
        return held

    def showing(self) -> set[bool]:
        """Tell of the files in which the visible argument stands whether they are a journal's."""
        return {"journal" in path for path, content in self.files().items() if stands_in(content, VISIBLE)}

    def arrived(self) -> list[bytes]:
        """Take from the bus what has come: one body for each message."""
        bodies = []
        with kombu.Connection(self.bus) as connection, closing(connection.channel()) as channel:
            for queue in topology.queues(self.bus):
                bound = queue(channel)
                bound.declare()
                while (message := bound.get(no_ack=True)) is not None:
                    bodies.append(message.body)
        return bodies


def until(what: str, holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"expected {what} within {seconds} s"
        time.sleep(0.1)


def test_a_planted_password_is_found_in_nothing_that_a_killed_worker_leaves(redis_db: str, tmp_path: Path) -> None:
    """One task in flight, one failed, the bus away, then a kill: not in journal, spool, bus or lines of our loggers."""
    with planted_user(redis_db) as url, Proxy(url) as proxy:
        proxy.cut(Cut.REFUSED)
        field = InFlight(tmp_path, broker=url, bus=proxy.url)
        worker = field.start()
        try:
            field.send("hang", "pay")
            until("a task in flight", lambda: bool(list(tmp_path.glob("*.ran"))))
            until("journal and spool to hold a message", lambda: field.showing() == {True, False})
            until("the outage to be said", lambda: b"bus.unreachable" in said_by_us(tmp_path / CELERY_S_LOG))
            left = [field.files()]
            worker.kill()
            left.append(field.files())
            assert field.showing() == {True, False}
            proxy.mend()
            worker = field.start()
            bodies: list[bytes] = []
            until("both failures", lambda: both_told(bodies.extend(field.arrived()) or bodies))
        finally:
            worker.kill()
    assert {path: found for files in left for path, content in files.items() if (found := found_in(content))} == {}
    assert [found for body in bodies if (found := found_in(body))] == []
    assert found_in(said_by_us(tmp_path / CELERY_S_LOG)) == []


def both_told(bodies: list[bytes]) -> bool:
    """Tell whether both failures have come with their messages: that of a raise, and that of the kill."""
    told = [body for body in bodies if stands_in(body, VISIBLE)]
    return all(any(way in body for body in told) for way in (b'"exception"', b'"worker_killed"'))
