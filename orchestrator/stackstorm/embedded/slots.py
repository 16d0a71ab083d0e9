"""How many actions run at once: who comes first goes first, the rest wait as they are."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Slots(Generic[T]):
    """A number of places to run in; for one thread. `start` is called for each that has got its place."""

    def __init__(self, count: int, start: Callable[[T], object]) -> None:
        self._free = count
        self._start = start
        self._waiting: deque[T] = deque()

    def ask(self, item: T) -> None:
        """Start this as soon as a place is free."""
        self._waiting.append(item)
        self._fill()

    def release(self) -> None:
        """Give a place back."""
        self._free += 1
        self._fill()

    def _fill(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._start(self._waiting.popleft())
