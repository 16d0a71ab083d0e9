"""Following a recovery on a real terminal: one line, written again and again within the width, until Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.exits import DONE, INTERRUPTED
from tests.unit.orchestrator.cli.contract import RECOVERY, recovery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.orchestrator.cli.conftest import Answering

ONE = f"/api/v1/recovery/retries/{RECOVERY}"
AGAIN = "\r\x1b[K"
WIDTH = 80
PATIENCE = 60.0


@dataclass
class Terminal:
    """A command on a terminal of 80 columns, as a person has it."""

    pid: int
    screen: int
    said: str = ""
    code: int | None = field(default=None)

    def until(self, holds: Callable[[str], bool]) -> str:
        """Read until that holds of what was said, or the command has ended."""
        patient_until = monotonic() + PATIENCE
        while not holds(self.said):
            assert monotonic() < patient_until, self.said
            try:
                self.said += os.read(self.screen, 65_536).decode()
            except OSError:
                break
        return self.said

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self.screen, key)

    def end(self) -> int:
        """Read to its end; gives its exit code."""
        self.until(lambda _: False)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def watching(fake: Answering) -> Iterator[Terminal]:
    """`redrive recoveries watch` of a recovery whose progress does not fit with all its parts."""
    found = recovery(seconds_left=7_800.0)
    found["progress"] |= {"asked": 40_000, "waiting": 38_000, "recovered": 1_880, "dead": 100}
    last = recovery("done", 40_000)
    last["progress"] |= {"asked": 40_000}
    fake.say("GET", ONE, found, last)
    words = ["recoveries", "watch", RECOVERY, "--api", fake.url]
    pid, screen = pty.fork()
    if not pid:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        os.execve(sys.executable, [sys.executable, "-m", "orchestrator", *words], environment)  # noqa: S606 - it is the command line itself
    yield Terminal(pid, screen)
    os.close(screen)


def test_one_line_is_written_again_within_the_width(watching: Terminal) -> None:
    """Nothing that it tells is cut off: the bar goes first; what became of it stands below."""
    assert watching.end() == DONE
    lines = watching.said.split("\r\n")[0].split(AGAIN)[1:]
    assert len(lines) > 1
    assert all(len(line) < WIDTH for line in lines)
    assert "1,880 of 40,000 recovered" in lines[0]
    assert lines[0].endswith("100 dead  2h 10m left")
    assert watching.said.split("\r\n")[1] == "done: 40,000 recovered of 40,000 tasks"


def test_ctrl_c_leaves_the_line_and_says_how_to_go_on(fake: Answering, watching: Terminal) -> None:
    """The recovery goes on: nothing is asked of the API but how far it is."""
    fake.answers["GET", ONE].pop()
    watching.until(lambda said: AGAIN in said)
    watching.press(b"\x03")
    assert watching.end() == INTERRUPTED
    _, *after = watching.said.split("\r\n")
    assert after[0] == "redrive: no longer followed; the recovery goes on"
    assert "redrive recoveries watch 7c01aa5e" in after[1]
    assert {method for method, *_ in fake.asked} == {"GET"}
