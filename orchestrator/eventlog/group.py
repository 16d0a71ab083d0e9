"""Group commit: whoever comes while a commit runs is written by the next one, with all the others that came meanwhile.

There is no thread for it. The caller who finds nobody writing leads: it writes what waits, tells each what became of
its records, and hands the lead to the one who has waited longest. Each leads at most once for each call.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from orchestrator.domain.errors import Unstorable
from orchestrator.domain.events import Appended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Row = TypeVar("Row")
# Rows of one commit: beyond these the next one takes over, so that nobody waits for a commit without end.
MOST_ROWS: Final = 4096


def _held() -> Lock:
    lock = Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Row]):
    """One caller's rows, and what became of them; `turn` is let go when that is known, or when it is to lead."""

    rows: Sequence[Row]
    outcome: Appended | BaseException | None = None
    turn: Lock = field(default_factory=_held)

    def told(self) -> Appended:
        if not isinstance(self.outcome, Appended):
            raise self.outcome or RuntimeError("expected whoever leads to be of its own group")
        return self.outcome


class GroupCommit(Generic[Row]):
    """Writes the rows of many threads at once. `commit` makes the batches of several callers durable, all or none of
    them, and gives what became of each; where it raises Unstorable each caller's rows are tried alone.
    """

    def __init__(self, commit: Callable[[Sequence[Sequence[Row]]], Sequence[Appended]], most: int = MOST_ROWS) -> None:
        self._commit = commit
        self._most = most
        self._queue: deque[_Waiting[Row]] = deque()
        self._led = False
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """Count the callers that wait for the next commit."""
        return len(self._queue)

    def append(self, rows: Sequence[Row]) -> Appended:
        """Return once a commit holds the rows; raises what it raised for them."""
        mine = _Waiting(rows)
        with self._lock:
            self._queue.append(mine)
            waits, self._led = self._led, True
        if waits:
            mine.turn.acquire()
        if mine.outcome is None:
            self._lead()
        return mine.told()

    def _lead(self) -> None:
        group = self._next_group()
        try:
            self._write(group)
        finally:
            self._hand_on()
            for each in group[1:]:
                each.turn.release()

    def _next_group(self) -> list[_Waiting[Row]]:
        """Take from the front of the queue while there is room; always the first, who leads."""
        with self._lock:
            group, rows = [self._queue.popleft()], 0
            while self._queue and (rows := rows + len(group[-1].rows)) + len(self._queue[0].rows) <= self._most:
                group.append(self._queue.popleft())
        return group

    def _hand_on(self) -> None:
        with self._lock:
            if self._queue:
                self._queue[0].turn.release()
            else:
                self._led = False

    def _write(self, group: Sequence[_Waiting[Row]]) -> None:
        try:
            outcomes = self._commit([each.rows for each in group])
            for each, outcome in zip(group, outcomes, strict=True):
                each.outcome = outcome
        except Unstorable as error:
            if len(group) == 1:
                group[0].outcome = error
                return
            for each in group:
                self._write([each])
        except BaseException as error:
            for each in group:
                each.outcome = error
            if not isinstance(error, Exception):
                raise
