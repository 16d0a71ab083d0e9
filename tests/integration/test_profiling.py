"""py-spy beside a process that is busy: its graph holds what the process and its child do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from loadtests.profiling import Profile, hottest
from tests.relaying import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKED_SECONDS = 0.5
# The parent waits, its child works until the parent's end of the pipe is closed.
BUSY = """
import os, select, sys
ours, theirs = os.pipe()
def burn():
    while not select.select([ours], [], [], 0)[0]:
        sum(number * number for number in range(10_000))
if os.fork() == 0:
    os.close(theirs)
    burn()
    os._exit(0)
os.close(ours)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process whose child works."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()


def test_the_graph_shows_what_a_child_is_busy_with(busy: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """The hottest function is the child's."""
    with Profile(tmp_path, {"busy": busy.pid}) as profile:
        spy = profile._spies[0]
        until("py-spy looks", lambda: "Sampling" in spy.log.read_text() or spy.popen.poll() is not None)
        [child] = psutil.Process(busy.pid).children()
        used = child.cpu_times().user
        until("the child has worked", lambda: child.cpu_times().user > used + WORKED_SECONDS)
    if any("SYS_PTRACE" in each for each in profile.problems) and not os.environ.get("CI"):
        pytest.skip(profile.problems[0])
    assert profile.problems == []
    assert any("burn" in name or "genexpr" in name for name, _ in hottest(tmp_path / "busy.svg"))
