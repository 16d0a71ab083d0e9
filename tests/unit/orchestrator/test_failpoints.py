"""A failpoint kills where it is armed, leaves its trace, and costs nothing elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import failpoints

THREE_HITS = """
import os
from orchestrator import failpoints
failpoints.arm(os.environ)
for number in (1, 2, 3):
    failpoints.hit("attempt_recorded")
    print(number, flush=True)
"""


def run(tmp_path: Path, failpoint: str) -> tuple[int, str, list[str]]:
    """Run three hits in a process of their own: exit code, what it printed, what fired."""
    log = tmp_path / "fired"
    environ = {**os.environ, failpoints.VARIABLE: failpoint, failpoints.LOG_VARIABLE: str(log)}
    command = [sys.executable, "-c", THREE_HITS]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, failpoints.fired(log)


@pytest.mark.parametrize(("failpoint", "printed"), [("attempt_recorded", ""), ("attempt_recorded:3", "1\n2\n")])
def test_an_armed_failpoint_kills_at_its_hit(tmp_path: Path, failpoint: str, printed: str) -> None:
    """The process dies of SIGKILL at the hit that was asked for, and the log names the place."""
    assert run(tmp_path, failpoint) == (-signal.SIGKILL, printed, ["attempt_recorded"])


@pytest.mark.parametrize("failpoint", ["", "task_published", "attempt_recorded:4"])
def test_a_failpoint_that_is_not_reached_changes_nothing(tmp_path: Path, failpoint: str) -> None:
    """Nothing armed, another place armed, or a later hit: the process runs to its end and nothing is logged."""
    assert run(tmp_path, failpoint) == (0, "1\n2\n3\n", [])


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"REDRIVE_FAILPOINT": "lunch"}, "expected one of eventlog_committed, .*, got 'lunch'"),
        ({"REDRIVE_FAILPOINT": "task_published:0"}, "count of at least 1 .*, got '0'"),
        ({"REDRIVE_FAILPOINT": "task_published:x"}, "count of at least 1 .*, got 'x'"),
        ({"REDRIVE_FAILPOINT": "task_published"}, "REDRIVE_FAILPOINT_LOG: expected the file"),
    ],
)
def test_a_failpoint_that_could_not_fire_is_an_error_at_the_start(environ: dict[str, str], message: str) -> None:
    """Arming an unknown place, a count that never comes, or one without a log is refused, and says why."""
    with pytest.raises(failpoints.FailpointError, match=message):
        failpoints.arm(environ)


def test_each_place_is_marked_somewhere() -> None:
    """A place that no code passes by any more would be armed in vain."""
    sources = [path.read_text() for path in Path(failpoints.__file__).parent.rglob("*.py")]
    assert [name for name in failpoints.NAMES if not any(f'hit("{name}")' in text for text in sources)] == []
