"""Quoted text in messages: ASCII, typographic and CJK quotes; an apostrophe in a word is none."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

MARK: Final = "<quoted>"
# After which character quoted text begins, and with which it may end.
PAIRS: Final = {
    '"': '"', "'": "'", "`": "`'", "\u2018": "\u2019", "\u201a": "\u2018\u2019", "\u201b": "\u2019",
    "\u201c": "\u201d", "\u201d": "\u201d", "\u201e": "\u201c\u201d", "\u00ab": "\u00bb", "\u00bb": "\u00ab",
    "\u2039": "\u203a", "\u203a": "\u2039", "\u300c": "\u300d", "\u300e": "\u300f", "\u300a": "\u300b",
    "\u3008": "\u3009", "\u301d": "\u301e\u301f",
}  # fmt: skip
_CLOSERS: Final = frozenset("".join(PAIRS.values()))
# These stand in words too: they open after none and close before none.
_APOSTROPHES: Final = frozenset("'\u2018\u2019\u201b")
_ESCAPED: Final = frozenset("\"'`")


def without_quoted(text: str) -> str:
    """Put a mark in the place of each quoted text, the outermost; a quote that nothing closes stays."""
    ends = _ends(text)
    if not ends:
        return text
    parts: list[str] = []
    at = kept = 0
    while at < len(text):
        end = _end_of(text, at, ends) if text[at] in PAIRS else None
        if end is None:
            at += 1
            continue
        parts += (text[kept:at], MARK)
        at = kept = end + 1
    return "".join((*parts, text[kept:]))


def _ends(text: str) -> dict[str, list[int]]:
    """List for each closing quote where it may close."""
    ends: dict[str, list[int]] = {}
    escaped = False
    for at, each in enumerate(text):
        if each in _CLOSERS and not _within_word(text, at, each):
            ends.setdefault(f"\\{each}" if escaped and each in _ESCAPED else each, []).append(at)
        escaped = each == "\\" and not escaped
    return ends


def _within_word(text: str, at: int, quote: str) -> bool:
    return quote in _APOSTROPHES and at + 1 < len(text) and text[at + 1].isalnum()


def _end_of(text: str, at: int, ends: dict[str, list[int]]) -> int | None:
    """Find the nearest end of what begins here; None where nothing begins or ends."""
    quote = text[at]
    if quote in _APOSTROPHES and at and text[at - 1].isalnum():
        return None
    # What an escaped quote begins, in JSON within JSON, an escaped one ends.
    before = "\\" if quote in _ESCAPED and text[at - 1 : at] == "\\" else ""
    following = (_after(ends.get(f"{before}{closer}", []), at) for closer in PAIRS[quote])
    return min((end for end in following if end is not None), default=None)


def _after(places: list[int], at: int) -> int | None:
    following = bisect_right(places, at)
    return places[following] if following < len(places) else None
