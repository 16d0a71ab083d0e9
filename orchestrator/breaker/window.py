"""Counts over the last so many seconds, in a fixed number of slots: memory stays the same however many calls come."""

from __future__ import annotations

from typing import Final

SLOTS: Final = 10


class Window:
    """Calls, failures and slow calls of the last `seconds`, to a tenth of them. Not for several threads."""

    __slots__ = ("_calls", "_failures", "_slow", "_turn", "_width", "calls", "failures", "slow")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / SLOTS
        self._turn = 0
        self.clear()

    def clear(self) -> None:
        """Forget every call."""
        self._calls, self._failures, self._slow = [0] * SLOTS, [0] * SLOTS, [0] * SLOTS
        self.calls = self.failures = self.slow = 0

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count a call that ended at `now`, in seconds that never go back; what is too old is forgotten."""
        turn = int(now / self._width)
        if turn != self._turn:
            self._move(turn)
        slot = turn % SLOTS
        self._calls[slot] += 1
        self.calls += 1
        if failed:
            self._failures[slot] += 1
            self.failures += 1
        if slow:
            self._slow[slot] += 1
            self.slow += 1

    def _move(self, turn: int) -> None:
        steps, first = turn - self._turn, self._turn + 1
        self._turn = turn
        if not 0 < steps < SLOTS:
            self.clear()
            return
        for slot in (each % SLOTS for each in range(first, turn + 1)):
            self.calls -= self._calls[slot]
            self.failures -= self._failures[slot]
            self.slow -= self._slow[slot]
            self._calls[slot] = self._failures[slot] = self._slow[slot] = 0
