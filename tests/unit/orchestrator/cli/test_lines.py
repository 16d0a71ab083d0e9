"""Text within the width of a terminal: folded, and shortened in the middle."""

from __future__ import annotations

import pytest

from orchestrator.cli.lines import cells, fitting, folded, shortened

TEXTS = {
    "label": "waits for   held by ada: a deploy of which there is more to say than a line of a terminal holds",
    "one word": "x" * 500,
    "wide": "日本語" * 70,
    "emoji": "👩🏽‍🚀🎉 " * 40,
    "combining": "e\u0301" * 200,
    "spaces": " " * 300 + "a b" + " " * 200,
    "empty": "",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("most", [40, 80, 81])
def test_no_line_is_wider_and_no_word_is_lost(text: str, most: int) -> None:
    """However it is folded, each line fits and all that is no space is there in its order."""
    lines = list(folded(text, most))
    assert max(map(cells, lines)) <= most
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_what_is_folded_stands_under_its_value() -> None:
    """The label stays alone at the left."""
    first, *rest = folded(TEXTS["label"], 40)
    assert first.startswith("waits for   held by ada")
    assert rest
    assert {line[:12] for line in rest} == {" " * 12}


def test_a_very_long_line_is_folded_soon() -> None:
    """A traceback of a million characters in one line does not keep a person waiting."""
    assert sum(1 for _ in folded("y" * 1_000_000, 80)) > 12_000


@pytest.mark.parametrize(("text", "most", "short"), [("abcdefghij", 10, "abcdefghij"), ("abcdefghij", 5, "ab…ij")])
def test_the_middle_is_left_out(text: str, most: int, short: str) -> None:
    """Beginning and end tell names apart."""
    assert shortened(text, most) == short


@pytest.mark.parametrize("most", range(3, 12))
def test_a_wide_text_is_shortened_by_its_cells(most: int) -> None:
    """An ideograph takes two cells: what is shortened never takes more than it may."""
    assert cells(shortened("日本語日本語", most)) <= most


def test_the_longest_form_that_fits_is_taken() -> None:
    """The last one is shortened where none does."""
    forms = ("app.call APIError: it is down", "app.call APIError", "call APIError")
    assert [fitting(forms, most) for most in (80, 20, 15, 7)] == [*forms, "cal…ror"]
