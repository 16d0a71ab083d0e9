"""What a demo says while it runs: a few lines that renew themselves on a terminal, plain lines elsewhere. On stderr."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from dataclasses import dataclass, field
from typing import Final

# A space at which no line is broken: what belongs together stays on one line.
FIXED: Final = "\N{NO-BREAK SPACE}"
LIVE_SECONDS: Final = 0.5
PLAIN_SECONDS: Final = 5.0
# What the rate is taken over, and with it the time left.
RATE_SECONDS: Final = 12.0


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a running arm: calls, tasks that ended well and badly, the provider, failures and incidents."""

    calls: int
    succeeded: int
    failed: int
    refused: int
    up: bool
    fault: str | None
    captured: int = 0
    recovered: int = 0
    incidents: int = 0


@dataclass(slots=True)
class Live:
    """The voice of a demo. `quiet` says nothing; `title` begins each line."""

    quiet: bool = False
    title: str = ""
    _lines: int = 0
    _shown: float = 0.0
    _seen: list[tuple[float, int]] = field(default_factory=list)

    def begin(self, title: str) -> None:
        """Speak of another arm from now on."""
        self.title, self._seen, self._shown = title, [], 0.0

    @property
    def due(self) -> bool:
        """Tell whether it is time for another look."""
        pause = LIVE_SECONDS if sys.stderr.isatty() else PLAIN_SECONDS
        return not self.quiet and time.monotonic() - self._shown >= pause

    def say(self, text: str) -> None:
        """Say something, in place of what stands there."""
        if not self.quiet:
            lines = textwrap.wrap(f"{self.title}: {text}" if self.title else text, self._width()) or [""]
            print(self._erase() + "\n".join(lines).replace(FIXED, " "), file=sys.stderr, flush=True)
            self._lines = len(lines)

    def show(self, look: Look) -> None:
        """Say how it goes."""
        self._shown = time.monotonic()
        recent = [each for each in self._seen if self._shown - each[0] <= RATE_SECONDS]
        self._seen = [*recent, (self._shown, look.succeeded)]
        self.say(told(look, self._rate()))

    def _rate(self) -> float:
        (since, before), (now, after) = self._seen[0], self._seen[-1]
        return (after - before) / (now - since) if now > since else 0.0

    def _erase(self) -> str:
        return f"\033[{self._lines}F\033[J" if sys.stderr.isatty() and self._lines else ""

    @staticmethod
    def _width() -> int:
        return max(20, shutil.get_terminal_size((100, 24)).columns - 1) if sys.stderr.isatty() else 1_000


def told(look: Look, rate: float) -> str:
    """Put a look into words; `rate` is calls that ended well in a second."""
    left = f"about {(look.calls - look.succeeded) / rate:.0f} s left" if rate > 0 else "time left unknown"
    state = "up" if look.up and not look.fault else f"{'up' if look.up else 'DOWN'} ({look.fault or 'switched off'})"
    parts = [
        f"{look.succeeded}/{look.calls} calls ended well",
        f"{rate:.0f}/s",
        left,
        f"provider {state}",
        f"refused {look.refused}",
    ]
    if look.captured or look.recovered:
        parts += [f"failures {look.captured}", f"recovered {look.recovered}", f"incidents {look.incidents}"]
    elif look.failed:
        parts.append(f"in FAILURE {look.failed}")
    return "  ".join(part.replace(" ", FIXED) for part in parts)
