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
    from collections.abc import Callable, Sequence, Sized

B = TypeVar("B", bound="Sized")
# Rows of one commit: beyond these the next one takes over, so that nobody waits for a commit without end.
MOST_ROWS: Final = 4096


def _held() -> Lock:
    lock = Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Waiting(Generic[B]):
    """One caller's batch, and what became of it; `turn` is let go when that is known, or when it is to lead."""

    batch: B
    outcome: Appended | BaseException | None = None
    turn: Lock = field(default_factory=_held)

    def told(self) -> Appended:
        if not isinstance(self.outcome, Appended):
            raise self.outcome or RuntimeError("expected whoever leads to be of its own group")
        return self.outcome


class GroupCommit(Generic[B]):
    """Writes the batches of many threads at once. `commit` makes those of several callers durable in one go and gives
    what became of each, an error for one that it refused; where it raises Unstorable each is tried alone.
    """

    def __init__(self, commit: Callable[[Sequence[B]], Sequence[Appended | Exception]], most: int = MOST_ROWS) -> None:
        self._commit = commit
        self._most = most
        self._queue: deque[_Waiting[B]] = deque()
        self._led = False
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """Count the callers that wait for the next commit."""
        return len(self._queue)

    def append(self, batch: B) -> Appended:
        """Return once a commit holds the batch; raises what it raised for it."""
        mine = _Waiting(batch)
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

    def _next_group(self) -> list[_Waiting[B]]:
        """Take from the front of the queue while there is room; always the first, who leads."""
        with self._lock:
            group, rows = [self._queue.popleft()], 0
            while self._queue and (rows := rows + len(group[-1].batch)) + len(self._queue[0].batch) <= self._most:
                group.append(self._queue.popleft())
        return group

    def _hand_on(self) -> None:
        with self._lock:
            if self._queue:
                self._queue[0].turn.release()
            else:
                self._led = False

    def _write(self, group: Sequence[_Waiting[B]]) -> None:
        try:
            outcomes = self._commit([each.batch for each in group])
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
