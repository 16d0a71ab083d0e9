"""Lines of 80 columns: text is made safe, and then broken where a terminal's cells end; nothing needed is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.cli.asking import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH: Final = 80


def wrapped(text: object, first: str = "", rest: str | None = None, width: int = WIDTH) -> Iterator[str]:
    """Break text into lines of `width` cells at most: `first` begins the first line, `rest` the others (spaces).

    Breaks at spaces; a word that is longer than a line is broken where the line ends. Wide characters take two cells.
    """
    from rich.cells import cell_len

    begin, rest = first, " " * cell_len(first) if rest is None else rest
    line = ""
    for word in _words(safe(text), width - max(cell_len(begin), cell_len(rest))):
        if line and cell_len(begin) + cell_len(line) + 1 + cell_len(word) > width:
            yield f"{begin}{line}"
            begin, line = rest, word
        else:
            line = f"{line} {word}" if line else word
    yield f"{begin}{line}".rstrip()


def _words(text: str, longest: int) -> Iterator[str]:
    from rich.cells import chop_cells

    for word in text.split(" "):
        if word:
            yield from chop_cells(word, max(longest, 2)) or [word]
