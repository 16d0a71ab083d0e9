"""Text broken into lines within the width of a terminal, made safe before: nothing that is needed is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.lines import cells, folded, width
from orchestrator.cli.safety import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

INDENT = " " * 4


def wrapped(text: object, first: str = "", rest: str | None = None) -> Iterator[str]:
    """Break text into lines: `first` begins the first one, `rest` the others (spaces).

    Breaks at spaces; a word that is longer than a line is broken where the line ends. Wide characters take two cells.
    """
    most, begin = width(), safe(first)
    if cells(begin) > most // 2:
        # A name of somebody else stands there, and is longer than a label may be.
        yield from folded(begin.rstrip(), most)
        begin = rest = INDENT
    rest = " " * cells(begin) if rest is None else rest
    words = " ".join(filter(None, safe(text).split(" ")))
    yield from map(str.rstrip, folded(begin + words, most, len(begin), rest))
