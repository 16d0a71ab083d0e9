"""Commands on the screen that can be copied into a shell as they are, however long their words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from orchestrator.cli.lines import cells
from orchestrator.cli.safety import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GOES_ON: Final = "\\"


def to_copy(words: Sequence[str], most: int, indent: str = "  ") -> list[str]:
    """Give a command as lines of so many cells: a shell reads them as these words. A word that is longer than a line
    goes on at the beginning of the next, in quotes of its own.
    """
    lines, line = [], ""
    for word in words:
        quoted = _quoted(word)
        joined = f"{line} {quoted}" if line else f"{indent}{quoted}"
        if cells(joined) <= most - 2:
            line = joined
            continue
        if line:
            lines.append(f"{line} {GOES_ON}")
        *before, line = [f"{indent}    {quoted}"] if cells(quoted) < most - 12 else list(_pieces(word, most - 2))
        lines += [f"{each}{GOES_ON}" for each in before]
    return [*lines, line]


def _pieces(word: str, most: int) -> Iterator[str]:
    """Cut a word into pieces that are quoted one by one; with nothing between them a shell reads one word."""
    start = 0
    for end in range(1, len(word) + 1):
        if cells(_quoted(word[start : end + 1])) > most or end == len(word):
            yield _quoted(word[start:end])
            start = end


def _quoted(word: str) -> str:
    """Quote a word; one that would steer a terminal as bash and zsh write such characters, by their codes."""
    if safe(word) == word:
        return shlex.quote(word)
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(each if safe(each) == each else _bytes(each) for each in plain) + "'"


def _bytes(each: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in each.encode(errors="replace"))
