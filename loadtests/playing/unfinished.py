"""How many calls were under way at a moment: as the run goes, and of the whole run afterwards."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loadtests.stamps import Tail

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from loadtests.evidence import Backlog, Call, Run


@dataclass(slots=True)
class Unfinished:
    """Counts the calls of which no run has ended yet, from what front and workers write meanwhile."""

    front_log: Path
    stamps: Path
    _sent: set[str] = field(default_factory=set)
    _ended: set[str] = field(default_factory=set)
    _tails: tuple[Tail, Tail] = field(init=False)

    def __post_init__(self) -> None:
        self._tails = Tail(self.front_log), Tail(self.stamps)

    def count(self) -> int:
        """Give the number now."""
        front, workers = self._tails
        self._sent |= _ids(front.new(), "sent")
        self._ended |= _ids(workers.new(), "ended")
        return len(self._sent - self._ended)


def with_calls(backlog: Sequence[Backlog], calls: Iterable[Call], runs: Iterable[Run]) -> list[Backlog]:
    """Give the backlog with the number of calls that were under way at each of its moments."""
    ends: dict[str, float] = {}
    for run in runs:
        if run.ended is not None:
            ends[run.id] = min(run.ended, ends.get(run.id, run.ended))
    sent, ended = sorted(each.sent for each in calls), sorted(ends.values())
    return [replace(each, calls=bisect_right(sent, each.at) - bisect_right(ended, each.at)) for each in backlog]


def _ids(lines: Iterable[str], kind: str) -> set[str]:
    fields = (line.split(maxsplit=2) for line in lines)
    return {each[1] for each in fields if each[0] == kind}
