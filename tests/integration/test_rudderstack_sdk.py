"""RudderStack's Python SDK, unmodified, pointed at us: everything it sends arrives, whatever happens on our side."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import orjson
import pytest
import uvicorn
from sqlalchemy import select

from orchestrator.api.app import create_app
from orchestrator.dev.processes import Child, ready, start
from orchestrator.dev.stack import free_port
from orchestrator.domain.errors import LogFull
from orchestrator.domain.events import Delivered, Lane
from orchestrator.eventlog.schema import STORE
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.accepting import Accepting
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.warehouse.schema import STORE as WAREHOUSE
from orchestrator.warehouse.schema import event_logs
from tests.gateway import WRITE_KEY as GATEWAY_KEY
from tests.gateway import dataplane
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.api.needs import Api
    from orchestrator.domain.events import Appended, EventRecord

APP = Path(__file__).parent / "rudderstack_app.py"
WRITE_KEY = "the-key-of-the-web"
MESSAGES = 2_000
SECONDS = 240.0
SOURCE = "urn:redrive:source:web"


@dataclass
class Gate:
    """A log that is full until it is opened; it counts how often it said so."""

    log: SqlEventLog
    full: bool = True
    said: list[float] = field(default_factory=list)

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Store, or raise LogFull."""
        if self.full:
            self.said.append(time.monotonic())
            raise LogFull(1.0)
        return self.log.append(records)


@contextmanager
def served(log: Gate) -> Iterator[str]:
    """Serve the API around a log."""
    scene = Scene()
    scene.log = log  # type: ignore[assignment]  # of a log only `append` is asked for here
    needed = SimpleNamespace(
        tokens={}, clock=scene.clock, new_id=uuid4, taking_in=Accepting(scene.intake), write_keys={WRITE_KEY: "web"}
    )
    app = create_app(cast("Api", needed))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.05)


@contextmanager
def sdk(url: str, messages: int = MESSAGES) -> Iterator[subprocess.Popen[str]]:
    """Run the application; it is gone afterwards."""
    command = [sys.executable, str(APP), url, WRITE_KEY, str(messages)]
    # Importing the SDK would read a stray .env.
    environ = {"PYTHON_DOTENV_DISABLED": "1", "PATH": "/usr/bin:/bin"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, text=True, env=environ)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def taken(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Have the application go on to its end; gives the messages that the SDK took, of which it lost none."""
    out, err = process.communicate("go on\n", timeout=SECONDS)
    assert process.returncode == 0, err
    *messages, lost = [json.loads(line) for line in out.splitlines()]
    assert lost == []
    return messages


def arrived(log: SqlEventLog) -> list[dict[str, Any]]:
    """Read what the log holds."""
    return [orjson.loads(each.record.body) for each in log.read(Lane.TELEMETRY, 0, 2 * MESSAGES)]


def check_all_are_there(messages: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    """Compare what the SDK took with what arrived: each once, whole, under its own id."""
    assert len(messages) == MESSAGES
    assert {each["type"] for each in messages} == {"track", "identify", "page", "screen", "group", "alias"}
    by_id = {each["id"]: each for each in events}
    assert len(by_id) == len(events) == MESSAGES
    assert {each["source"] for each in events} == {SOURCE}
    for message in messages:
        data = by_id[message["messageId"]]["data"]
        assert {name: data[name] for name in message} == message
        assert set(data) - set(message) <= {"sentAt"}


@pytest.mark.timeout(300)
def test_everything_the_sdk_sends_arrives_though_the_log_was_full(tmp_path: Path) -> None:
    """Two thousand calls of every kind, from four threads: at first there is no room, then each is there, once."""
    url = f"sqlite:///{tmp_path}/eventlog.sqlite"
    STORE.migrate(url)
    gate = Gate(SqlEventLog(url))
    with served(gate) as place, sdk(place) as process:
        until(lambda: len(gate.said) >= 3 or process.poll() is not None)
        gate.full = False
        messages = taken(process)
    check_all_are_there(messages, arrived(gate.log))
    gate.log.close()


@pytest.mark.timeout(300)
def test_what_an_sdk_sent_reaches_rudderstack_and_the_warehouse_as_it_was(tmp_path: Path) -> None:
    """From the SDK through our log to a gateway: the same messages under the same ids; a row for each of them."""
    urls = f"sqlite:///{tmp_path}/eventlog.sqlite", f"sqlite:///{tmp_path}/warehouse.sqlite"
    STORE.migrate(urls[0])
    WAREHOUSE.migrate(urls[1])
    gate = Gate(SqlEventLog(urls[0]), full=False)
    with served(gate) as place, sdk(place, 70) as process:
        messages = taken(process)
    events = gate.log.read(Lane.TELEMETRY, 0, 100)
    loading = WarehouseSink(urls[1])
    with dataplane(tmp_path) as server:
        sending = RudderStackSink(server.url, GATEWAY_KEY, 30.0)
        assert [type(sink.deliver(events)) for sink in (sending, loading)] == [Delivered, Delivered]
        passed_on = [each["message"] for each in server.store.newest(100)]
    assert len(passed_on) == len(messages) == 70
    by_id = {each["messageId"]: each for each in passed_on}
    assert [{name: by_id[each["messageId"]][name] for name in each} for each in messages] == messages
    engine = WAREHOUSE.open(urls[1])
    with engine.connect() as connection:
        loaded = {str(each) for each in connection.execute(select(event_logs.c.id)).scalars()}
    assert loaded == {str(each.record.key) for each in events}
    engine.dispose()
    loading.close()
    gate.log.close()


@dataclass
class Orchestrator:
    """The API of an orchestrator, as a process on one port that can be killed and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    child: Child | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_url(self) -> str:
        """Where its event log lies."""
        return f"sqlite:///{self.folder}/eventlog.sqlite"

    def start(self) -> None:
        """Start it, and wait until it serves."""
        ready_file = self.folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        environ = {
            "REDRIVE_BUS_URL": f"redrive+sqlite:///{self.folder}/bus.sqlite",
            "REDRIVE_LEDGER_URL": f"sqlite:///{self.folder}/ledger.sqlite",
            "REDRIVE_EVENTLOG_URL": self.log_url,
            "REDRIVE_WAREHOUSE_URL": f"sqlite:///{self.folder}/warehouse.sqlite",
            "REDRIVE_STACKSTORM_URL": "http://127.0.0.1:9",
            "REDRIVE_WRITE_KEYS": f"web={WRITE_KEY}",
            "REDRIVE_API_PORT": str(self.port),
        }
        command = ["-m", "orchestrator", "run", "--parts", "api", "--ready-file", str(ready_file)]
        self.child = start("orchestrator", command, self.folder, environ)
        ready(self.child, ready_file, seconds=120)

    def kill(self) -> None:
        """Kill it as a machine does that loses its power."""
        if self.child:
            self.child.kill()


@pytest.fixture
def orchestrator(tmp_path: Path) -> Iterator[Orchestrator]:
    """An orchestrator that serves, and is gone afterwards."""
    made = Orchestrator(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.mark.timeout(400)
def test_a_kill_in_the_middle_loses_nothing(orchestrator: Orchestrator) -> None:
    """Killed once some have arrived, and started again: the SDK tries again, and each message is there once."""
    log = SqlEventLog(orchestrator.log_url)
    with sdk(orchestrator.url) as process:
        until(lambda: len(arrived(log)) >= 200 or process.poll() is not None)
        orchestrator.kill()
        restart = Thread(target=orchestrator.start)
        restart.start()
        messages = taken(process)
        restart.join()
    check_all_are_there(messages, arrived(log))
    log.close()
