"""Finds what stands between two marks in a text, in time that grows with the text alone: the text may be anybody's."""

from __future__ import annotations


def spans(text: str, opening: str, closing: str) -> list[str]:
    """Give every shortest span from one mark to the other, marks included, none of them over the end of a line."""
    if opening not in text:
        return []
    return [span for line in text.split("\n") for span in _in_line(line, opening, closing)]


def _in_line(line: str, opening: str, closing: str) -> list[str]:
    found: list[str] = []
    start = line.find(opening)
    while start >= 0:
        end = line.find(closing, start + len(opening))
        if end < 0:
            break  # nor does any later one end
        found.append(line[start : end + len(closing)])
        start = line.find(opening, end + len(closing))
    return found
