"""Which prompts are compared, and what follows from the score."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# The worker's own sketch, which is there where no embedder is asked.
SKETCH: Final = "sketch"
# Where near-duplicates begin: prompts with one word in eight replaced are above it, paraphrases far below.
NEAR_DUPLICATE: Final = 0.9
THRESHOLDS: Final = {SKETCH: NEAR_DUPLICATE}


@dataclass(frozen=True, slots=True)
class Rules:
    """A prompt is compared with the newest `count` of its scope that are not older than `age`.

    `most` is how many are kept in all, whosever they are, and `room` how many bytes their numbers may take, at 4 bytes
    each: 8,000 sketches are 16 MB, as many vectors of 1,536 numbers 49 MB. `thresholds` is where near-duplicates begin,
    for each embedder; `blocks` marks those as blocked, besides what the caller blocked.
    """

    count: int = 2_000
    age: timedelta = timedelta(days=7)
    most: int = 8_000
    room: int = 64 * 2**20
    thresholds: Mapping[str, float] = field(default_factory=lambda: THRESHOLDS)
    blocks: bool = False

    def blocked(self, score: float | None, embedder: str = SKETCH) -> bool:
        """Tell whether a score makes a prompt a blocked one; one without a score, or of no number, never is."""
        if not self.blocks or score is None:
            return False
        return score >= self.thresholds.get(embedder, NEAR_DUPLICATE)
