"""Following a recovery to its end: its progress, task by task, on stderr."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from orchestrator.cli.answers import NoAnswer, NotNow
from orchestrator.cli.asking import call, path_of, shown, told
from orchestrator.cli.exits import DONE, FAILED, INTERRUPTED, PARTLY
from orchestrator.cli.lines import fitting, width
from orchestrator.cli.naming import short
from orchestrator.cli.safety import safe
from orchestrator.cli.tables import bar, counted, figure
from orchestrator.cli.times import lasting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL: Final = 1.0
PATIENCE: Final = 120.0
# Where stderr is no terminal, a line of progress at most this often.
SELDOM: Final = 10.0
REMEMBERED: Final = 10
BAR: Final = 20
# Where a terminal has no room for all: first the bar is shorter, then there is none.
BARS: Final = (BAR, 10, 0)
OVER: Final = frozenset({"aborted", "done"})
STAYED: Final = ("dead", "held_again", "given_back", "elsewhere")
WORDS: Final = {
    "recovered": "recovered",
    "dead": "dead",
    "held_again": "held again",
    "given_back": "given back",
    "elsewhere": "ended elsewhere",
    "in_flight": "in flight",
    "waiting": "waiting",
}


def follow(api: str, recovery_id: str) -> int:
    """Show a recovery's progress until it is over; gives the exit code. Ctrl-C only stops the showing."""
    try:
        with Screen() as screen:
            last = _followed(api, recovery_id, screen.show)
    except KeyboardInterrupt:
        begun = short(recovery_id)
        told("no longer followed; the recovery goes on")
        told(f"follow it again: redrive recoveries watch {begun}")
        told(f"stop it: redrive recoveries abort {begun} --reason WHY")
        return INTERRUPTED
    for line in ended(last):
        shown(line)
    return code_of(last)


def _followed(api: str, recovery_id: str, show: Callable[..., None]) -> dict[str, Any]:
    pace, silent_since = Pace(), None
    while True:
        try:
            found = call("GET", api, path_of("recovery", "retries", recovery_id))
            silent_since = None
        except (NoAnswer, NotNow):
            # A restart of the orchestrator ends no recovery, and not the sight of one either.
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > PATIENCE:
                raise
            show("no answer from the orchestrator; asked again")
        else:
            pace.saw(found["progress"], time.monotonic())
            show(*forms_of(found, pace.rate))
            if found["state"] in OVER:
                return found
        time.sleep(POLL)


@dataclass(slots=True)
class Pace:
    """How many tasks come to an end a second, over the last few looks."""

    seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def saw(self, progress: dict[str, int], at: float) -> None:
        """Note how many have ended by now."""
        self.seen.append((at, over(progress)))

    @property
    def rate(self) -> float | None:
        """Give the tasks that end a second; None before there are two looks."""
        (first, some), (last, more) = (self.seen[0], self.seen[-1]) if self.seen else ((0.0, 0), (0.0, 0))
        return (more - some) / (last - first) if last > first else None


def over(progress: dict[str, int]) -> int:
    """Count the tasks of which it is known what became of them."""
    return progress["asked"] - progress["waiting"] - progress["in_flight"]


def share_of(found: dict[str, Any]) -> float:
    """Give the share of a recovery's tasks that have come to an end; none of one that waits for consent."""
    progress = found["progress"]
    if progress["asked"]:
        return float(over(progress) / progress["asked"])
    return 0.0 if found["state"] == "proposed" else 1.0


def forms_of(found: dict[str, Any], rate: float | None) -> tuple[str, ...]:
    """Give a recovery's progress in several forms, the longest first: without the bar, and without the rate at last."""
    return (*(line_of(found, rate, most) for most in BARS), line_of(found, None, 0))


def line_of(found: dict[str, Any], rate: float | None = None, bar_cells: int = BAR) -> str:
    """Give a recovery's progress as one line."""
    if found["state"] == "proposed":
        return "nothing has gone: it waits for somebody's consent"
    progress = found["progress"]
    share = share_of(found)
    parts = [
        f"{bar(share, bar_cells)} {int(share * 100)}%".lstrip(),
        f"{progress['recovered']:,} of {progress['asked']:,} recovered",
    ]
    parts += [f"{progress[name]:,} {WORDS[name]}" for name in ("in_flight", *STAYED) if progress[name]]
    if found["state"] == "paused":
        parts.append(str(found["state"]))
    if rate:
        parts.append(f"{figure(rate)}/s")
    if found.get("seconds_left") is not None and found["state"] == "running":
        parts.append(f"{lasting(found['seconds_left'])} left")
    return "  ".join(parts)


def ended(found: dict[str, Any]) -> Iterator[str]:
    """Say what became of a recovery that is over, and what to type next where something stayed behind."""
    progress = found["progress"]
    counts = [f"{progress[name]:,} {WORDS[name]}" for name in ("recovered", *STAYED) if progress[name]]
    note = f": {found['note']}" if found.get("note") else ""
    yield f"{found['state']}: {', '.join(counts) or 'nothing went'} of {counted(progress['asked'], 'task')}{note}"
    if code_of(found) != DONE:
        yield f"next: redrive recoveries show {short(found['id'])}"


def code_of(found: dict[str, Any]) -> int:
    """Give the exit code for a recovery that is over: 5 where some have not recovered, 1 where it was aborted."""
    if found["state"] == "aborted":
        return FAILED
    return PARTLY if any(found["progress"][name] for name in ("dead", "held_again", "given_back")) else DONE


class Screen:
    """One line of stderr that is written again and again; where that is no terminal, a line now and then."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._terminal = self._stream.isatty()
        self._last, self._said_at = "", 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal and self._last:
            self._stream.write("\n")
        elif self._last:
            told(self._last)

    def show(self, *forms: str) -> None:
        """Show this in the place of what was shown before: of several forms the first that fits a terminal's width."""
        line = safe(forms[0])
        if self._terminal:
            fitted = fitting([safe(each) for each in forms], width() - 1)
            # Kept first: Ctrl-C may come as soon as it is seen, and what follows begins on a line of its own.
            self._last = fitted
            self._stream.write("\r\x1b[K" + fitted)
            self._stream.flush()
        elif line != self._last:
            self._last = line
            if time.monotonic() - self._said_at >= SELDOM:
                self._said_at = time.monotonic()
                told(line)
                self._last = ""
