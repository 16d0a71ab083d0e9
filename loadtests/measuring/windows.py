"""The time of a run cut into windows: what happens in one belongs together, and a bootstrap draws whole ones."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from loadtests.evidence import Evidence

T = TypeVar("T")

WINDOW_SECONDS: Final = 5.0
# Of a short stretch they get shorter, so that an interval knows how they differ.
SHORTEST_SECONDS: Final = 1.0
FEWEST_WINDOWS: Final = 8
# Enough for an interval; of a run of hours the windows get longer instead of more.
MOST_WINDOWS: Final = 400


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one phase, from `began` to `ended`."""

    phase: int
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """Give its length."""
        return self.ended - self.began


def windows_of(evidence: Evidence, phases: Iterable[int] | None = None) -> list[Window]:
    """Cut the phases, all or some by their numbers, into windows of about 5 seconds."""
    played = {block.phase for block in evidence.blocks}
    wanted = played if phases is None else played & set(phases)
    times = [(number, *_span(evidence, number)) for number in sorted(wanted)]
    total = sum(ended - began for _, began, ended in times)
    longest = max(total / MOST_WINDOWS, min(WINDOW_SECONDS, max(SHORTEST_SECONDS, total / FEWEST_WINDOWS)))
    return [window for number, began, ended in times for window in _cut(number, began, ended, longest)]


def sorted_into(windows: Sequence[Window], things: Iterable[T], moment: Callable[[T], float]) -> list[list[T]]:
    """Give the things of each window by their moments; what lies in none is left out. Windows are in order of time."""
    starts = [each.began for each in windows]
    found: list[list[T]] = [[] for _ in windows]
    for thing in things:
        which = bisect_right(starts, moment(thing)) - 1
        if which >= 0 and moment(thing) < windows[which].ended:
            found[which].append(thing)
    return found


def _span(evidence: Evidence, number: int) -> tuple[float, float]:
    blocks = [block for block in evidence.blocks if block.phase == number]
    return min((block.began for block in blocks), default=0.0), max((block.ended for block in blocks), default=0.0)


def _cut(number: int, began: float, ended: float, longest: float) -> list[Window]:
    count = max(1, round((ended - began) / longest))
    each = (ended - began) / count
    return [Window(number, began + at * each, began + (at + 1) * each) for at in range(count)]
