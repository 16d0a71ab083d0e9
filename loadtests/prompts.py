"""The prompts of a demo, made from a seed: one in twenty is nearly the same as an earlier one.

A trace has no texts; near-duplicates that are known beforehand can be counted as found or missed.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Final

EVERY: Final = 20
BACK: Final = 200
WORDS: Final = 60
CHANGED: Final = 3
VOCABULARY: Final = 3_000
SYLLABLES: Final = (
    "ba",
    "co",
    "den",
    "fi",
    "gar",
    "hu",
    "jo",
    "kel",
    "lum",
    "mi",
    "nor",
    "pa",
    "qui",
    "ros",
    "su",
    "tev",
)


def original_of(seed: int, call: int) -> int | None:
    """Give the earlier call that a call's prompt is nearly the same as; None for a prompt of its own."""
    if call < EVERY or not _repeats(seed, call):
        return None
    dice = random.Random(f"{seed}/original/{call}")
    earlier = dice.randrange(max(0, call - BACK), call)
    while earlier >= EVERY and _repeats(seed, earlier):
        earlier -= 1
    return earlier


def _repeats(seed: int, call: int) -> bool:
    return random.Random(f"{seed}/repeats/{call // EVERY}").randrange(EVERY) == call % EVERY


def prompt_of(seed: int, call: int) -> str:
    """Make the prompt of a call; a near-duplicate has a few of its words changed."""
    original = original_of(seed, call)
    words = _words(seed, call if original is None else original)
    if original is not None:
        dice = random.Random(f"{seed}/changes/{call}")
        for place in dice.sample(range(WORDS), CHANGED):
            words[place] = _word(dice.randrange(VOCABULARY))
    return " ".join(words)


def _words(seed: int, call: int) -> list[str]:
    dice = random.Random(f"{seed}/prompt/{call}")
    return [_word(dice.randrange(VOCABULARY)) for _ in range(WORDS)]


@lru_cache(maxsize=VOCABULARY)
def _word(number: int) -> str:
    dice = random.Random(number)
    return "".join(dice.choice(SYLLABLES) for _ in range(dice.randrange(2, 5)))
