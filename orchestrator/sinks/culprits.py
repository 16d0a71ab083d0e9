"""The search for the event that makes a destination refuse a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from orchestrator.domain.events import Deferred, Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.sinks.parcels import Parcel, Refused

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """So many were delivered; then the next was refused, or the post with it deferred, or none is left."""

    delivered: int
    refused: Refused | None = None
    deferred: Deferred | None = None


@dataclass(slots=True)
class Search(Generic[T]):
    """Looks for culprits in one part. `most` go at once: fewer where culprits are many, or `ceiling` is lower."""

    send: Callable[[list[T]], Delivered | Deferred | Refused]
    ceiling: int
    most: int
    in_a_row: int = 0

    def first_culprit(self, part: Sequence[Parcel[T]]) -> Found:
        """Send all at once; if that is refused, halves of what may hold the first culprit, until it is refused alone.

        Where the first half is taken, the culprit is in the second, which is not asked whole again: a culprit among n
        costs one post for each time that n can be halved, one with it alone, and one for what is behind it. Where all
        that was refused together is taken in the end, or was too large, there were too many of them, and no culprit.
        """
        begin, end, together = 0, len(part), 0
        while begin < len(part):
            asked = min(begin + self.most, max(begin + 1, (begin + end) // 2) if together else end)
            answer = self.send([parcel.content for parcel in part[begin:asked]])
            if isinstance(answer, Deferred):
                return Found(begin, deferred=answer)
            if isinstance(answer, Delivered):
                begin = asked
                self._note_delivered()
                if together and begin == end:
                    self._note_too_many(together)
                    end, together = len(part), 0
            elif asked - begin == 1:
                self._note_culprit()
                return Found(begin, answer)
            elif answer.too_large:
                self._note_too_many(asked - begin)
            else:
                end, together = asked, asked - begin
        return Found(begin)

    def _note_delivered(self) -> None:
        self.in_a_row = 0
        self.most = min(self.ceiling, self.most * 2)

    def _note_too_many(self, number: int) -> None:
        """Send at most half as many at once from then on."""
        self.ceiling = self.most = number // 2

    def _note_culprit(self) -> None:
        """Where one culprit follows the other, the next post is half as large: else each would cost a whole search."""
        self.in_a_row += 1
        if self.in_a_row > 1:
            self.most = max(1, self.most // 2)
