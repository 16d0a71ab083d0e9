"""The live screen: what is on it, that it fits, that it survives an API that is away, and ends cleanly."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from orchestrator.cli.answers import NoAnswer
from orchestrator.cli.board import Seen, board
from orchestrator.cli.exits import DONE
from orchestrator.cli.lines import cells
from tests.recovery import NOON
from tests.unit.orchestrator.cli.contract import recovery
from tests.unit.orchestrator.cli.test_operating import WHY, outage, said

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

METRICS = """redrive_held_oldest_seconds{dependency="a"} 12.0
redrive_held_oldest_seconds{dependency="b"} 840.0
redrive_spool_bytes 2.097152e+06
"""


def incident(number: int, size: int, **changes: Any) -> dict[str, Any]:
    """Answer an incident of so many failures."""
    return {
        "id": str(UUID(int=number << 96)),
        "opened_at": (NOON - timedelta(minutes=number)).isoformat(),
        "size": size,
        "task": "demo.summarise",
        "signature": "demo.summarise openai.APIConnectionError it is down #0123456789ab",
        "dependency": "openai",
        "plan": {"name": "cron_backoff"},
        "state": "planned",
        "held_by": None,
        "owner": "ada",
    } | changes


def dependency(name: str, health: str, waiting: int = 0) -> dict[str, Any]:
    """Answer a dependency."""
    return {
        "name": name,
        "health": health,
        "hold": None,
        "evidence": {"rate": 0.5},
        "ramp": {"in_flight": 3, "window": 8.0},
        "held_failures": waiting,
        "waits_for": ["the gate"],
    }


def seen(**changes: Any) -> Seen:
    """Make what the API answered at noon."""
    first = {"first_attempts": 100, "first_successes": 93, "first_in_flight": 7, "duplicates": 1}
    summary = {"mode": "act", "failures": {"held": 39_990, "dead": 10, "recovered": 0}, "first_retry": first}
    told: dict[str, Any] = {
        "at": NOON,
        "summary": summary,
        "incidents": [incident(1, 10), incident(2, 30_000)],
        "dependencies": [dependency("smtp", "healthy", 9), dependency("openai", "down", 5)],
        "recoveries": [recovery()],
        "metrics": METRICS,
    }
    return Seen(**(told | changes))


def test_it_shows_what_an_operator_watches() -> None:
    """Mode, failures, first retries, what is late; incidents and dependencies the worst first; recoveries at a rate."""
    lines = board(seen(rates={recovery()["id"]: 25.0}), 80, 24)
    told = "\n".join(lines)
    for each in (
        "redrive     act  2025-11-20 12:00:00Z  10 dead, 39,990 held",
        "first retry 93.0% succeeded (93 of 100), 7 in flight, 1 duplicates",
        "late        oldest held 14m, spool 2 MiB",
        "next: redrive incidents show 00000002",
    ):
        assert each in told
    assert [line.split()[2] for line in lines if line.startswith("0000000")] == ["30,000", "10"]
    assert [line.split()[0] for line in lines if "50%" in line] == ["openai", "smtp"]
    (running,) = (line for line in lines if line.startswith("7c01aa5e"))
    for each in ("running", "██", "100", "1,000", "25", "1m", "ada"):
        assert each in running


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (80, 16), (120, 50)])
def test_it_fits_the_screen_however_much_there_is(columns: int, rows: int) -> None:
    """No line too wide, no line too many; what is left out is said, and what to type stands at the foot."""
    lines = board(
        seen(
            incidents=[incident(number, number, owner="o" * 90, dependency="d" * 90) for number in range(1, 100)],
            dependencies=[dependency("n" * 90 + str(number), "down") for number in range(30)],
            recoveries=[recovery(actor="a" * 90) | {"id": str(UUID(int=each << 96))} for each in range(9)],
        ),
        columns,
        rows,
    )
    assert len(lines) <= rows
    assert max(map(cells, lines)) <= columns
    assert lines[-1] == "next: redrive incidents show 00000063"
    assert any("more: redrive incidents list" in line for line in lines)


def test_nothing_is_a_screen_too() -> None:
    """Where nothing has ever failed it says so."""
    first = dict.fromkeys(("first_attempts", "first_successes", "first_in_flight", "duplicates"), 0)
    empty = {"mode": "observe", "failures": {}, "first_retry": first}
    lines = board(seen(summary=empty, incidents=[], dependencies=[], recoveries=[], metrics=""), 80, 24)
    assert "no failure" in lines[0]
    assert "nothing has failed that is open" in lines


def test_one_screen_is_printed_where_there_is_no_terminal(api: Served) -> None:
    """With --once, or without a terminal: 80 columns, and the exit code of an API that is away."""
    incident_id = outage(api)
    said(api, "retry", "--incident", incident_id, "--yes", *WHY)
    for words in ((), ("--once",)):
        done = said(api, "top", *words)
        assert done.exit_code == DONE, done.output
        assert incident_id[:8] in done.stdout
        assert max(map(cells, done.stdout.splitlines())) <= 80
    api.url = "http://127.0.0.1:9"
    assert isinstance(said(api, "top", "--once").exception, NoAnswer)


def test_on_a_terminal_it_is_live_and_ctrl_c_ends_it(api: Served) -> None:
    """It draws on a screen of its own, draws what is new, and gives the terminal back with exit code 0."""
    outage(api, each=1)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "orchestrator", "top", "--every", "0.5", "--api", api.url]
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, close_fds=True) as shown:
        os.close(theirs)
        drawn = _read_until(ours, b"next: redrive incidents show")
        api.ask("PUT", "/api/v1/mode", {"mode": "paused"})
        drawn += _read_until(ours, b"paused")
        shown.send_signal(signal.SIGINT)
        drawn += _read_until(ours, b"\x1b[?1049l")
        assert shown.wait(20) == DONE
    os.close(ours)
    assert b"\x1b[?1049h" in drawn
    assert b"Traceback" not in drawn


def _read_until(descriptor: int, word: bytes, seconds: float = 30) -> bytes:
    said, ends = b"", time.monotonic() + seconds
    while word not in said:
        assert time.monotonic() < ends, said[-2_000:]
        if select.select([descriptor], [], [], 0.5)[0]:
            try:
                said += os.read(descriptor, 65_536)
            except OSError:
                break
    return said
