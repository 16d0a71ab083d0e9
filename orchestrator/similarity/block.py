"""Up to 256 vectors side by side: one pass over the counts of a prompt gives its products with all of them, exactly.

Each bucket has one long number that holds, 64 bits for each vector, what the vectors have there. The prompt's count
times that number adds its share to every product at once; none can reach into its neighbour, since 512 products of two
counts below 2 ** 16 stay below 2 ** 41.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOM: Final = 256
BITS: Final = 64
BYTES: Final = BITS // 8

# The buckets of a vector that hold something: which, and how much.
Filled = list[tuple[int, int]]


def filled(counts: Iterable[int]) -> Filled:
    """Leave out the buckets that hold nothing."""
    return [(bucket, count) for bucket, count in enumerate(counts) if count]


class Block:
    """Vectors that came one after another, in their order."""

    __slots__ = ("_columns", "size")

    def __init__(self) -> None:
        self._columns: dict[int, int] = {}
        self.size = 0

    @property
    def full(self) -> bool:
        """Tell whether no further vector fits."""
        return self.size == ROOM

    def add(self, vector: Filled) -> None:
        """Put a vector behind the others."""
        shift, columns = BITS * self.size, self._columns
        for bucket, count in vector:
            columns[bucket] = columns.get(bucket, 0) + (count << shift)
        self.size += 1

    def products(self, vector: Filled) -> array[int]:
        """Give the sum of the products with each vector, in their order."""
        columns = self._columns
        sums = sum(count * columns[bucket] for bucket, count in vector if bucket in columns)
        found = array("Q")
        found.frombytes(sums.to_bytes(BYTES * self.size, "little"))
        if _BIG_ENDIAN:
            found.byteswap()
        return found


_BIG_ENDIAN: Final = array("H", [1]).tobytes() == b"\0\1"
