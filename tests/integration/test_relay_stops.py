"""A real orchestrator that is told to stop: its relays finish what they have in hand, and lose nothing of the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.domain.events import Lane
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.sinks.rudderstack import RudderStackSink
from tests.events import record
from tests.gateway import WRITE_KEY, gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.gateway import Reply

NAME = RudderStackSink("http://127.0.0.1:1", WRITE_KEY, 1.0).name
EVENTS = 1_700
DEADLINE = 120.0


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@contextmanager
def running(folder: Path, url: str, drain: float) -> Iterator[subprocess.Popen[bytes]]:
    """Run the relays of an orchestrator against this folder and this data plane."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REDRIVE_")}
    stores = {f"REDRIVE_{name.upper()}_URL": f"sqlite:///{folder}/{name}.db" for name in ("ledger", "warehouse")}
    environ |= stores | {
        "REDRIVE_BUS_URL": f"redrive+sqlite:///{folder}/bus.db",
        "REDRIVE_EVENTLOG_URL": log_url(folder),
        "REDRIVE_STACKSTORM_URL": "http://127.0.0.1:1",
        "REDRIVE_RUDDERSTACK_URL": url,
        "REDRIVE_RUDDERSTACK_WRITE_KEY": WRITE_KEY,
        "REDRIVE_RUDDERSTACK_TIMEOUT": "120",
        "REDRIVE_API_PORT": "0",
        "REDRIVE_DRAIN_SECONDS": str(drain),
    }
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "orchestrator", "run", "--parts", "relay", "--ready-file", str(ready)]
    with subprocess.Popen(command, env=environ) as process:
        try:
            until("it runs", ready.exists)
            yield process
        finally:
            process.kill()


def log_url(folder: Path) -> str:
    """Give the address of the event log."""
    return f"sqlite:///{folder}/eventlog.db"


def threads(process: subprocess.Popen[bytes]) -> int:
    """Count the threads of a process."""
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


@pytest.mark.parametrize("drain", [0.0, 60.0])
def test_a_relay_that_is_told_to_stop_finishes_and_sends_what_it_may(tmp_path: Path, drain: float) -> None:
    """The batch in hand is never sent twice; what waits goes while there is time, and with the next start otherwise."""
    go, arrived = Event(), list[str]()

    def reply(batch: list[dict[str, Any]]) -> Reply:
        arrived.extend(each["messageId"] for each in batch)
        assert go.wait(DEADLINE)
        return 200, {}, b"OK"

    migrate(log_url(tmp_path))
    log = SqlEventLog(log_url(tmp_path))
    log.append([record() for _ in range(EVENTS)])
    with gateway(reply) as server:
        with running(tmp_path, server.url, drain) as process:
            until("the first batch is sent", lambda: bool(arrived))
            before = threads(process)
            process.send_signal(signal.SIGTERM)
            until("the other relays have stopped", lambda: threads(process) <= before - 2)
            go.set()
            assert process.wait(DEADLINE) == 0
        counts = log.counts(NAME)
        assert counts.adds_up
        assert counts.delivered == len(set(arrived)) == len(arrived)
        assert counts.pending == (0 if drain else EVENTS - counts.delivered)
        assert bool(drain) == (counts.delivered == EVENTS)
        with running(tmp_path, server.url, drain) as process:
            until("all is delivered", lambda: log.counts(NAME).pending == 0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
    assert len(set(arrived)) == len(arrived) == EVENTS
    assert log.cursor(NAME, Lane.PRIORITY) == EVENTS
    log.close()
