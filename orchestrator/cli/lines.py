"""Lines within the width of a terminal: how wide text is there, how it is cut, folded and shortened."""

from __future__ import annotations

import re
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAST_WIDTH: Final = 40
USUAL: Final = 80, 24
CUT: Final = "…"
EMOJI: Final = "\ufe0f"
# `since       2025-11-20`: what is folded goes on under the value, which stands behind two spaces or more.
LABEL: Final = re.compile(r"\S {2,}(?=\S)")
LONGEST_LABEL: Final = 48


def width() -> int:
    """Tell how many cells a line may have: those of the terminal, or of COLUMNS; 80 where neither says so."""
    return max(get_terminal_size(USUAL).columns, LEAST_WIDTH)


def cells(text: str) -> int:
    """Count the cells that text takes in a terminal: an ideograph or an emoji takes two."""
    from rich.cells import cell_len

    return cell_len(text)


def first_cells(text: str, most: int, start: int = 0) -> str:
    """Give the beginning of text, or of what is behind `start`, that fits into so many cells."""
    taken = 0
    for place in range(start, len(text)):
        # What is behind an emoji's sign makes it as wide as an emoji: one cell more.
        taken += 1 if text[place] == EMOJI else cells(text[place])
        if taken > most:
            return text[start:place]
    return text[start:]


def last_cells(text: str, most: int) -> str:
    """Give the end of text that fits into so many cells."""
    return first_cells(text[::-1], most)[::-1]


def shortened(text: str, most: int) -> str:
    """Shorten text to so many cells by leaving out its middle: beginnings and ends of names tell them apart."""
    if cells(text) <= most:
        return text
    room = most - 1
    return first_cells(text, room - room // 2) + CUT + last_cells(text, room // 2)


def fitting(forms: Sequence[str], most: int) -> str:
    """Give the first of several forms, the longest first, that fits into so many cells; else the last, shortened."""
    return next((each for each in forms if cells(each) <= most), shortened(forms[-1], most))


def folded(line: str, most: int, label: int | None = None, rest: str | None = None) -> Iterator[str]:
    """Fold a line at spaces into lines of so many cells; what follows stands under the value of a labelled line.

    Where its `label` ends is seen from the line, unless it is said; `rest` begins what follows (spaces).
    """
    label = _hang(line) if label is None else label
    rest = " " * label if rest is None else rest
    begin, start = "", 0
    while len(head := first_cells(line, most - cells(begin), start)) < len(line) - start:
        end = start + len(head)
        space = line.rfind(" ", start + (0 if begin else label) + 1, end + 1)
        end = end if space < 0 else space
        yield (begin + line[start:end]).rstrip()
        start = end + (line[end] == " ")
        begin = rest
    yield begin + line[start:]


def _hang(line: str) -> int:
    labels = [each.end() for each in LABEL.finditer(line, 0, LONGEST_LABEL)]
    return labels[-1] if labels else min(len(line) - len(line.lstrip()) + 2, LEAST_WIDTH // 2)
