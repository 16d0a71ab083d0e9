"""A sketch tells near-duplicates from strangers, under a key, and stays what it is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus.sketch import BUCKETS, GRAM, KEY_VARIABLE, sketch_of
from orchestrator.similarity import NEAR_DUPLICATE, cosine, direction

COMPLAINT = "Summarise the following customer complaint in two sentences and name the product it is about."
WEATHER = "What is the weather like in Lisbon tomorrow, and should I take an umbrella with me to the conference?"


def likeness(one: str, other: str, key: str = "s") -> float:
    """Compare two texts as the warehouse does."""
    return compared(sketch_of(one, key).counts, sketch_of(other, key).counts)


def compared(one: list[int], other: list[int]) -> float:
    """Give the cosine of two sketches."""
    return cosine(direction(one, centred=True), direction(other, centred=True))


def test_the_same_text_has_the_same_sketch_for_ever() -> None:
    """A sketch depends on text and key alone: this one was made by the first version."""
    made = sketch_of("Hello, wörld ☃ 🎉", "key")
    assert made == sketch_of("Hello, wörld ☃ 🎉", "key")
    assert made.prompt_hash == "1db426199076fba91225eb5ce10491a9"
    assert made.key_name == "8b147550"
    assert {bucket: count for bucket, count in enumerate(made.counts) if count} == dict.fromkeys(
        [45, 73, 121, 128, 143, 196, 210, 268, 295, 307, 328, 344, 353, 400, 401, 489], 1
    )


def test_every_gram_is_counted_once() -> None:
    """The counts add up to the grams of the text between two spaces, in units of UTF-16."""
    for text in ("", "a", "ab", "some words", "🎉" * 10):
        units = len(f" {text} ".ljust(GRAM).encode("utf-16-le")) // 2
        made = sketch_of(text, "key")
        assert (len(made.counts), sum(made.counts)) == (BUCKETS, units - GRAM + 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (COMPLAINT, COMPLAINT.replace("two", "three")),
        (COMPLAINT, COMPLAINT.upper() + "\n\n"),
        (COMPLAINT, "  " + COMPLAINT.replace(" ", "\t ")),
        ("日本語で書かれた長い文章をここに置きます。" * 3, "日本語で書かれた長い文章をここに置きます。" * 3 + "!"),
    ],
)
def test_near_duplicates_are_near(one: str, other: str) -> None:
    """A word replaced, other case, other white space: above the threshold."""
    assert likeness(one, other) >= NEAR_DUPLICATE


def test_a_long_text_with_some_words_replaced_is_near() -> None:
    """One word in twelve replaced in 4 KB: above the threshold; another text of the same words: far below."""
    dice = random.Random(1)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(2, 9))) for _ in range(800)]
    text = dice.choices(words, k=700)
    changed = [dice.choice(words) if at % 12 == 0 else word for at, word in enumerate(text)]
    assert likeness(" ".join(text), " ".join(changed)) >= NEAR_DUPLICATE
    assert likeness(" ".join(text), " ".join(dice.choices(words, k=700))) < 0.5


def test_strangers_are_far() -> None:
    """Other words: far below the threshold."""
    assert likeness(COMPLAINT, WEATHER) < 0.3


def test_another_key_gives_another_sketch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash, name and buckets are the key's: sketches under two keys are strangers; the environment names the key."""
    one, other = sketch_of(COMPLAINT, "one"), sketch_of(COMPLAINT, "other")
    assert one.prompt_hash != other.prompt_hash
    assert one.key_name != other.key_name
    assert compared(one.counts, other.counts) < 0.3
    monkeypatch.setenv(KEY_VARIABLE, "other")
    assert sketch_of(COMPLAINT) == other
    monkeypatch.delenv(KEY_VARIABLE)
    assert sketch_of(COMPLAINT).key_name == sketch_of(COMPLAINT, "redrive").key_name


def test_a_count_stays_within_16_bits() -> None:
    """A text of one letter fills one bucket up to 65,535, and no further."""
    assert max(sketch_of("a" * 100_000, "key").counts) == 2**16 - 1


@given(st.text())
def test_any_text_has_a_sketch(text: str) -> None:
    """Whatever Python holds as text, half characters too, is sketched, and is like itself."""
    assert likeness(text, text) == pytest.approx(1.0)
