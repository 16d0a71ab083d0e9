"""A real orchestrator that is told to stop: its relays finish what they have in hand, and lose nothing of the rest."""

from __future__ import annotations

import signal
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
from tests.relaying import DEADLINE, on_sqlite, relaying, until

if TYPE_CHECKING:
    import subprocess

    from tests.gateway import Reply

NAME = RudderStackSink("http://127.0.0.1:1", WRITE_KEY, 1.0).name
EVENTS = 3_500


def log_url(folder: Path) -> str:
    """Give the address of the event log."""
    return f"sqlite:///{folder}/eventlog.db"


def threads(process: subprocess.Popen[bytes]) -> int:
    """Count the threads of a process."""
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("drain", [0.0, pytest.param(60.0, marks=pytest.mark.slow)])
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
        with relaying(tmp_path, on_sqlite(tmp_path), server.url, drain_seconds=drain) as process:
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
        with relaying(tmp_path, on_sqlite(tmp_path), server.url, drain_seconds=drain) as process:
            until("all is delivered", lambda: log.counts(NAME).pending == 0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
    assert len(set(arrived)) == len(arrived) == EVENTS
    assert log.cursor(NAME, Lane.PRIORITY) == EVENTS
    log.close()
