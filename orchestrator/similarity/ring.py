"""The vectors of one scope: rows of one matrix, used as a ring, with their names and times beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from orchestrator.similarity.vectors import cosine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestrator.similarity.vectors import Direction

DIGITS: Final = 6
ROUNDING: Final = 10.0**-DIGITS
# What a sum of as many products in 32 bits may be off by for each of them (N. Higham, "Accuracy and Stability of
# Numerical Algorithms", section 3.1), for both of the scores that are compared.
UNSURE: Final = 2.0**-23


class Ring:
    """Vectors of `size` numbers, oldest first. There are never rows for more than 4/3 of them, and two."""

    def __init__(self, size: int) -> None:
        self.row_bytes = size * 4
        self._rows: NDArray[np.float32] = np.zeros((1, size), dtype=np.float32)
        self._times: NDArray[np.float64] = np.zeros(1)
        self._names: list[str] = [""]
        self._first = 0
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, name: str, time: float, vector: Direction) -> None:
        """Put a vector behind the others."""
        if self._used == len(self._rows):
            self._resize()
        slot = (self._first + self._used) % len(self._rows)
        self._rows[slot], self._times[slot], self._names[slot] = vector, time, name
        self._used += 1

    def drop_oldest(self) -> None:
        """Take out the one that was added first."""
        self._names[self._first] = ""
        self._first = (self._first + 1) % len(self._rows)
        self._used -= 1
        if 4 * self._used < 3 * len(self._rows) - 4:
            self._resize()

    def nearest(self, vector: Direction, since: float, most: int) -> list[tuple[float, str]]:
        """Give score and name of the nearest ones that are not older, best first; of equals the newest is first."""
        slots = self._slots()
        young = slots[self._times[slots] >= since]
        quick = np.einsum("ij,j->i", self._rows, vector)[young]
        scored = [
            (round(cosine(vector, self._rows[young[place]]), DIGITS), int(place))
            for place in _worth_a_look(quick, most, len(vector) * UNSURE + ROUNDING)
        ]
        return [(score, self._names[young[place]]) for score, place in sorted(scored, reverse=True)[:most]]

    def _slots(self) -> NDArray[np.intp]:
        return (self._first + np.arange(self._used)) % len(self._rows)

    def _resize(self) -> None:
        """Move to as many rows as there are vectors, and an eighth and one more."""
        slots, room = self._slots(), self._used + self._used // 8 + 1
        rows, times = np.zeros((room, self._rows.shape[1]), dtype=np.float32), np.zeros(room)
        rows[: self._used], times[: self._used] = self._rows[slots], self._times[slots]
        self._names = [self._names[slot] for slot in slots] + [""] * (room - self._used)
        self._rows, self._times, self._first = rows, times, 0


def _worth_a_look(quick: NDArray[np.float32], most: int, unsure: float) -> NDArray[np.intp]:
    """Leave out what is further from the nearest than a score in 32 bits may be wrong by: the rest is summed in 64."""
    if len(quick) <= most:
        return np.arange(len(quick))
    least = quick[np.argpartition(quick, -most)[-most]]
    return np.flatnonzero(quick >= least - unsure)
