"""Commands that are shown to be copied: a shell reads the words that were meant."""

from __future__ import annotations

import subprocess

import pytest

from orchestrator.cli.copying import to_copy
from orchestrator.cli.lines import cells
from orchestrator.cli.safety import safe

WORDS = {
    "many": ["--yes"] * 40,
    "quotes": ["it's back; $HOME `id`", 'a "b" c', "", "a\\b"],
    "long": ["a reason that is long, " * 40, "x" * 300, "'" * 200],
    "wide": ["日本語 " * 60],
    "control": ["\x1b]0;owned\x07 it's\\", "line\nline\u202e" * 30],
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_shell_reads_the_same_words(words: list[str]) -> None:
    """Whatever is in them; and no line is wider than the terminal, or steers it."""
    lines = to_copy(["printf", "%s\\0", *words], 80)
    assert max(map(cells, lines)) <= 80
    assert [safe(line) for line in lines] == lines
    said = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, check=True)
    assert said.stdout.decode().split("\0")[:-1] == words
