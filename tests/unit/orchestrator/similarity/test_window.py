"""The nearest prompt is the nearest: what the window finds is what comparing with each one finds."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from math import fsum, inf, isfinite, nan, sqrt
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventbus.sketch import MOST, sketch_of
from orchestrator.similarity import Match, Rules, Window, cosine, direction

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
WIDE = Rules(age=timedelta(days=1000))
# Numbers of 32 bits are told apart to some seven digits; a score is told to six.
NEAR = 2e-6
counts = st.one_of(
    st.lists(st.integers(0, 3), min_size=8, max_size=8),
    st.lists(st.sampled_from([0, 1, MOST]), min_size=8, max_size=8),
    st.integers(0, MOST).map(lambda each: [each] * 8),
)
floats = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=8, max_size=8)
usual = st.lists(st.floats(-1, 1), min_size=8, max_size=8)


def by_hand(one: Sequence[float], other: Sequence[float], *, centred: bool = True) -> float:
    """Compare two vectors as the textbook does, in 64 bits; with what points nowhere nothing is alike."""
    if centred:
        one, other = ([each - fsum(vector) / len(vector) for each in vector] for vector in (one, other))
    length = sqrt(fsum(each * each for each in one)) * sqrt(fsum(each * each for each in other))
    return fsum(a * b for a, b in zip(one, other, strict=True)) / length if length else 0.0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(counts, counts)
def test_a_cosine_is_what_it_is(one: list[int], other: list[int]) -> None:
    """Never a NaN, between -1 and 1, the same both ways, 1 with itself, and the textbook's to six digits."""
    first, second = direction(one, centred=True), direction(other, centred=True)
    score = cosine(first, second)
    assert isfinite(score)
    assert -1 <= score <= 1
    assert score == cosine(second, first)
    assert score == pytest.approx(by_hand(one, other), abs=NEAR)
    assert cosine(first, first) == pytest.approx(float(len(set(one)) > 1), abs=NEAR)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(floats, floats)
def test_no_number_makes_a_score_that_is_none(one: list[float], other: list[float]) -> None:
    """Whatever 64 bits can hold, NaN, infinity and the largest there are: a score is a number from -1 to 1."""
    window = Window(WIDE)
    window.add("s", "one", NOON, one)
    (match,) = window.nearest("s", NOON, other)
    assert -1 <= match.score <= 1
    assert direction(one).dtype == np.float32
    assert np.linalg.norm(direction(one)) == pytest.approx(float(all(map(isfinite, one)) and any(one)), abs=NEAR)


@pytest.mark.parametrize("empty", [[0.0, 0.0], [nan, 1.0], [inf, 1.0], [-inf, inf], []])
def test_what_points_nowhere_is_like_nothing(empty: list[float]) -> None:
    """Zeros, NaN, infinity and no numbers at all: 0 with everything, itself too, and nobody else's score is touched."""
    window = Window(WIDE)
    window.add("s", "one", NOON, [1.0, 2.0])
    window.add("s", "empty", NOON, empty)
    assert {match.score for match in window.nearest("s", NOON, empty, 2)} == {0.0}
    assert window.nearest("s", NOON, [2.0, 4.0]) == [Match(1.0, "one")]


def test_the_largest_and_the_smallest_numbers_do_not_overflow() -> None:
    """Two vectors that point the same way are alike, whatever their lengths."""
    for size in (5e-324, 1e-300, 1e-45, 1.0, 1e38, 1e300, 1.7e308):
        assert cosine(direction([size, size]), direction([1.0, 1.0])) == pytest.approx(1.0, abs=NEAR)


def check(found: list[Match], scores: dict[str, float], most: int) -> None:
    """See that the true scores of what was found are the best there are, as far as the digits go, in their order."""
    best = sorted(scores.values(), reverse=True)[:most]
    assert [scores[match.name] for match in found] == pytest.approx(best, abs=NEAR)
    assert [match.score for match in found] == pytest.approx(best, abs=NEAR)
    assert len({match.name for match in found}) == len(found) == min(most, len(scores))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(counts, max_size=30), counts, st.integers(1, 5))
def test_recall_is_one(kept: list[list[int]], new: list[int], most: int) -> None:
    """The nearest ones are those that comparing with each one in 64 bits finds, in that order."""
    window = Window(WIDE, centred=True)
    for number, each in enumerate(kept):
        window.add("s", f"{number:02}", NOON, each)
    scores = {f"{number:02}": by_hand(new, each) for number, each in enumerate(kept)}
    check(window.nearest("s", NOON, new, most), scores, most)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(usual, max_size=30), usual, st.integers(1, 5))
def test_recall_is_one_for_vectors_of_floats(kept: list[list[float]], new: list[float], most: int) -> None:
    """The same for what an embedder makes, which is not compared around its mean."""
    window = Window(WIDE)
    for number, each in enumerate(kept):
        window.add("s", f"{number:02}", NOON, each)
    scores = {f"{number:02}": cosine(direction(new), direction(each)) for number, each in enumerate(kept)}
    check(window.nearest("s", NOON, new, most), scores, most)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([[1, 0], [0, 1], [1, 1]]), max_size=40), st.integers(1, 9), st.integers(1, 4))
def test_the_newest_of_equals_is_first(kept: list[list[int]], count: int, most: int) -> None:
    """However often the ring went round, of those that are alike to the digit the later ones are found."""
    window = Window(Rules(count=count, age=WIDE.age))
    for number, each in enumerate(kept):
        window.add("s", f"{number:02}", NOON, each)
    alive = list(enumerate(kept))[-count:]
    best = sorted(((round(cosine(direction([1, 0]), direction(each)), 6), n) for n, each in alive), reverse=True)
    assert window.nearest("s", NOON, [1, 0], most) == [Match(score, f"{n:02}") for score, n in best[:most]]


def test_what_32_bits_cannot_tell_apart_is_told_apart() -> None:
    """Of 300 vectors that are one to more digits than are told, the five newest are found."""
    dice = Random(3)
    one = [dice.uniform(-1, 1) for _ in range(512)]
    window = Window(WIDE)
    for number in range(300):
        window.add("s", f"{number:03}", NOON, [each * dice.uniform(0.9999, 1.0001) for each in one])
    found = window.nearest("s", NOON, one, 5)
    assert found == [Match(1.0, f"{number:03}") for number in range(299, 294, -1)]


@pytest.mark.slow
def test_recall_is_one_over_a_ring_that_went_round() -> None:
    """Among 800 sketches of texts, of which the oldest have left, each new one finds its five nearest."""
    dice = Random(7)
    words = ["".join(dice.choices("abcdefghij", k=5)) for _ in range(60)]
    texts = [" ".join(dice.choices(words, k=12)) for _ in range(800)]
    window = Window(Rules(count=600, age=WIDE.age), centred=True)
    kept = [sketch_of(text, "k").counts for text in texts]
    for number, each in enumerate(kept):
        window.add("s", f"{number:04}", NOON, each)
    assert len(window) == 600
    alive = list(enumerate(kept))[-600:]
    for text in (texts[0], texts[-1], " ".join(dice.choices(words, k=12))):
        new = sketch_of(text, "k").counts
        check(window.nearest("s", NOON, new, 5), {f"{n:04}": by_hand(new, each) for n, each in alive}, 5)


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
    assert [scope for scope, _ in window._rings] == ["b0", "b1", "b2"]


def test_it_is_bounded_by_bytes() -> None:
    """Vectors that together are larger than the room push the oldest out, and come down with the count of them."""
    window = Window(Rules(room=100 * 4 * 10))
    for number in range(300):
        window.add(str(number % 7), f"{number}", NOON, [float(number)] * 10)
    assert len(window) == 100
    window.add("large", "l", NOON, [1.0] * 1000)
    assert len(window) == 1
    window.add("large", "m", NOON, [1.0] * 2000)
    assert len(window) == 1
    assert window._bytes == 8000


def test_lengths_are_apart() -> None:
    """A vector of another length is not compared, though its scope is the same."""
    window = Window(WIDE)
    window.add("acme", "two", NOON, [1, 2])
    assert window.nearest("acme", NOON, [1, 2, 3]) == []


@pytest.mark.parametrize(("scopes", "bound"), [(1, 3_200), (500, 6_600)])
def test_its_memory_is_what_the_page_says(scopes: int, bound: int) -> None:
    """Bytes for each sketch: in one scope, and each in a scope of its own, also when half of them have left."""
    made = [[(number * each) % 7 for each in range(512)] for number in range(500)]
    tracemalloc.start()
    window, before = Window(Rules(age=WIDE.age, most=250), centred=True), tracemalloc.get_traced_memory()[0]
    for number, each in enumerate(made):
        window.add(str(number % scopes), f"{number}", NOON, each)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held / len(window) < bound
