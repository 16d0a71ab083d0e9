"""Prompts from a seed."""

from __future__ import annotations

from loadtests.prompts import EVERY, original_of, prompt_of


def test_one_prompt_in_twenty_repeats_an_earlier_one() -> None:
    """Of each twenty calls after the first twenty one repeats, and what it repeats is earlier and of its own."""
    repeats = {call: original for call in range(400) if (original := original_of(5, call)) is not None}
    assert sorted({call // EVERY for call in repeats}) == list(range(1, 400 // EVERY))
    assert len(repeats) == 400 // EVERY - 1
    assert all(original < call and original not in repeats for call, original in repeats.items())


def test_a_repeat_differs_in_a_few_words_and_strangers_in_nearly_all() -> None:
    """The same seed and call give the same prompt; another seed gives another one."""
    call, original = next((call, found) for call in range(400) if (found := original_of(5, call)) is not None)
    pairs = zip(prompt_of(5, call).split(), prompt_of(5, original).split(), strict=True)
    assert 1 <= sum(one != other for one, other in pairs) <= 3
    assert prompt_of(5, call) == prompt_of(5, call) != prompt_of(6, call)
