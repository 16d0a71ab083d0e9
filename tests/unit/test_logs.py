"""docs/logs.md and the code name the same log lines."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SAYING = {"info", "warning", "error", "exception", "_say_once"}
NAME = re.compile(r"[a-z]+\.[a-z_]+")


def said() -> Iterator[tuple[str, str]]:
    """Give the file and the name of each log line that the code can write."""
    for folder in ("eventbus", "orchestrator"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAYING:
                    yield from ((str(path), found) for found in _names(node))


def _names(call: ast.Call) -> Iterator[str]:
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        found = NAME.match(first.value)
        if found:
            yield found.group()


def test_every_log_line_is_documented_and_no_other() -> None:
    """The names in the code and in the table are the same set: a new one needs its row, a dead row has to go."""
    table = set(re.findall(r"^\| `([a-z_.]+)`", (ROOT / "docs/logs.md").read_text(), re.MULTILINE))
    written = {name for _, name in said()}
    assert len(written) > 5
    assert written - table == set()
    assert table - written == {"bus.close_failed"}  # written at level debug alone
