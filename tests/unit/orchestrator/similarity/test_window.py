"""The nearest prompt is the nearest: what the window finds is what comparing with each one finds."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from math import fsum, isfinite, sqrt
from operator import mul
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventbus.sketch import BUCKETS, MOST, sketch_of
from orchestrator.similarity import Match, Rules, Vector, Window, cosine
from orchestrator.similarity.block import ROOM, Block, filled

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
WIDE = Rules(age=timedelta(days=1000))
counts = st.one_of(
    st.lists(st.integers(0, 3), min_size=8, max_size=8),
    st.lists(st.sampled_from([0, 1, MOST]), min_size=8, max_size=8),
    st.integers(0, MOST).map(lambda each: [each] * 8),
)


def by_hand(one: list[int], other: list[int]) -> float:
    """Compare two vectors as the textbook does, in floats."""
    first, second = ([each - sum(vector) / len(vector) for each in vector] for vector in (one, other))
    length = sqrt(fsum(each * each for each in first)) * sqrt(fsum(each * each for each in second))
    if len(set(one)) == 1 or len(set(other)) == 1:
        return float(one == other)
    return fsum(a * b for a, b in zip(first, second, strict=True)) / length


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(counts, counts)
def test_a_cosine_is_what_it_is(one: list[int], other: list[int]) -> None:
    """Never a NaN, between -1 and 1, the same both ways, 1 with itself, and the textbook's to nine digits."""
    product = sum(map(mul, one, other))
    score = cosine(Vector.of(one), Vector.of(other), product)
    assert isfinite(score)
    assert -1 <= score <= 1
    assert score == cosine(Vector.of(other), Vector.of(one), product)
    assert score == pytest.approx(by_hand(one, other), abs=1e-9)
    assert cosine(Vector.of(one), Vector.of(one), sum(each * each for each in one)) == pytest.approx(1.0)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(counts, max_size=30), counts, st.integers(1, 5))
def test_recall_is_one(kept: list[list[int]], new: list[int], most: int) -> None:
    """The nearest ones are exactly those that comparing with each finds, in that order."""
    window = Window(WIDE)
    for number, each in enumerate(kept):
        window.add("s", f"{number:02}", NOON, each)
    found = window.nearest("s", NOON, new, most)
    scores = [cosine(Vector.of(new), Vector.of(each), sum(map(mul, new, each))) for each in kept]
    best = sorted((Match(round(score, 6), f"{number:02}") for number, score in enumerate(scores)), reverse=True)
    assert found == best[:most]


def test_recall_is_one_over_many_blocks() -> None:
    """Among 700 sketches of texts, of which the oldest hundred have left, each new one finds its nearest."""
    dice = Random(7)
    words = ["".join(dice.choices("abcdefghij", k=5)) for _ in range(60)]
    texts = [" ".join(dice.choices(words, k=12)) for _ in range(2 * ROOM + 300)]
    window, kept = Window(Rules(count=600, age=WIDE.age)), [sketch_of(text, "k").counts for text in texts]
    for number, each in enumerate(kept):
        window.add("s", f"{number:04}", NOON, each)
    assert len(window) == 600
    alive = [(number, each, Vector.of(each)) for number, each in enumerate(kept)][-600:]
    for text in (*texts[:3], *(" ".join(dice.choices(words, k=12)) for _ in range(5))):
        new = sketch_of(text, "k").counts
        scores = [cosine(Vector.of(new), vector, sum(map(mul, new, each))) for _, each, vector in alive]
        best = max(Match(round(score, 6), f"{number:04}") for score, (number, *_) in zip(scores, alive, strict=True))
        assert window.nearest("s", NOON, new) == [best]


def test_products_do_not_reach_into_each_other() -> None:
    """The largest counts there are, side by side: every product is whole."""
    block, largest = Block(), filled([MOST] * BUCKETS)
    for _ in range(ROOM):
        block.add(largest)
    assert block.full
    assert list(block.products(largest)) == [MOST * MOST * BUCKETS] * ROOM
    assert list(block.products([])) == [0] * ROOM


def test_scopes_are_apart_and_the_old_is_not_compared() -> None:
    """Another organisation's prompt is not found, nor one that is too old by the time of the new one."""
    window = Window(Rules(age=timedelta(hours=1)))
    window.add("acme", "old", NOON, [1, 2, 3])
    assert window.nearest("other", NOON, [1, 2, 3]) == []
    assert window.nearest("acme", NOON + timedelta(hours=1), [1, 2, 3]) == [Match(1.0, "old")]
    assert window.nearest("acme", NOON + timedelta(hours=2), [1, 2, 3]) == []


def test_it_is_bounded_by_scope_and_in_all() -> None:
    """A scope keeps its newest ones, and a new scope pushes out the oldest of all, down to nothing left of it."""
    window = Window(Rules(count=2, most=3))
    for number in range(4):
        window.add("a", f"a{number}", NOON, [number, 1])
    assert {match.name for match in window.nearest("a", NOON, [1, 2], 9)} == {"a2", "a3"}
    for number in range(3):
        window.add(f"b{number}", "b", NOON, [number, 1])
    assert len(window) == 3
    assert window.nearest("a", NOON, [1, 2]) == []
    assert list(window._scopes) == ["b0", "b1", "b2"]


@pytest.mark.parametrize(("scopes", "bound"), [(1, 6_000), (500, 24_000)])
def test_its_memory_is_what_the_page_says(scopes: int, bound: int) -> None:
    """Bytes for each sketch of a text of 300 characters: in one scope, and each in a scope of its own."""
    dice = Random(1)
    made = [sketch_of("".join(dice.choices("abcdefghijklmnop ", k=300)), "k").counts for _ in range(500)]
    tracemalloc.start()
    window, before = Window(WIDE), tracemalloc.get_traced_memory()[0]
    for number, each in enumerate(made):
        window.add(str(number % scopes), f"{number}", NOON, each)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held / len(made) < bound
