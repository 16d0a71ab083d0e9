"""How many calls were under way at a moment: as the run goes, and of the whole run afterwards."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from loadtests.stamps import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from loadtests.evidence import Backlog, Call, Run

ENDS: Final = ("SUCCESS", "FAILURE")
# So many are asked for one by one.
FEW: Final = 20


@dataclass(slots=True)
class Unfinished:
    """Counts the calls of which no run has ended yet, from what front and workers write meanwhile.

    A run that is killed between its result and its last stamp ends without a word: where few calls are left, `ask`
    tells the state of one by the result backend. `results` are those that had ended so.
    """

    front_log: Path
    stamps: Path
    ask: Callable[[str], str]
    results: dict[str, str] = field(default_factory=dict)
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
        left = self._sent - self._ended - self.results.keys()
        if len(left) <= FEW:
            self.results |= {each: state for each in left if (state := self.ask(each)) in ENDS}
        return len(left - self.results.keys())


def with_calls(
    backlog: Sequence[Backlog], calls: Iterable[Call], runs: Iterable[Run], results: Mapping[str, str] | None = None
) -> list[Backlog]:
    """Give the backlog with the number of calls that were under way at each of its moments.

    A call in `results` ended soon after a run of it began, without telling.
    """
    ends: dict[str, float] = {}
    for run in runs:
        last = run.began if run.ended is None and run.id in (results or {}) else run.ended
        if last is not None:
            ends[run.id] = min(last, ends.get(run.id, last))
    sent, ended = sorted(each.sent for each in calls), sorted(ends.values())
    return [replace(each, calls=bisect_right(sent, each.at) - bisect_right(ended, each.at)) for each in backlog]


def _ids(lines: Iterable[str], kind: str) -> set[str]:
    fields = (line.split(maxsplit=2) for line in lines)
    return {each[1] for each in fields if each[0] == kind}
