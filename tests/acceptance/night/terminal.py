"""A terminal of 80 columns in which the commands of the night are typed, each kept with what it showed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Final

COLUMNS: Final = 80
SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Screen:
    """One command as it was typed, what it showed (stdout and stderr as they came), its exit code, its seconds."""

    typed: str
    output: str
    code: int
    seconds: float

    def expect_narrow(self) -> None:
        """See that no line is wider than the terminal."""
        wide = [line for line in self.output.splitlines() if len(line) > COLUMNS]
        assert not wide, (self.typed, wide)


@dataclass(slots=True)
class Terminal:
    """Runs `redrive` against one API. `screens` are all that was typed, in order."""

    api: str
    screens: list[Screen] = field(default_factory=list)

    def type(self, *arguments: str, document: bool = False) -> Screen:
        """Run one command to its end, without a fault; what it shows fits the terminal, but for a document."""
        screen = self.run(*arguments)
        if not document:
            screen.expect_narrow()
        self.screens.append(screen)
        return screen

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Screen:
        """Run one that is no part of what is shown."""
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "REDRIVE_API_URL": self.api, "COLUMNS": str(COLUMNS), "NO_COLOR": "1"},
            text=True,
            timeout=SECONDS,
            check=False,
        )
        seconds = time.perf_counter() - began
        screen = Screen(shlex.join(["redrive", *arguments]), done.stdout, done.returncode, seconds)
        assert done.returncode in codes, (screen.typed, done.returncode, done.stdout)
        return screen
