"""The page for pack authors, followed line by line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.stackstorm.testing import StackStorm
from tests.packs.plugin import ROOT, installed

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs/stackstorm.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`(greeter/[\w./]+)`")
SECONDS = 100
# The installation, which CI has done; and the benchmark, which takes minutes.
NOT_FOLLOWED = ("venv", "loadtests")
SHELL = "set -eu\ntrap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT\n"


def files() -> Iterator[tuple[str, str]]:
    """Give the files that the page shows: its names stand in the text before the blocks that hold them."""
    named: list[str] = []
    for before, language, text in pieces():
        named += FILE.findall(before)
        if language in ("yaml", "python"):
            yield named.pop(0), text


def pieces() -> Iterator[tuple[str, str, str]]:
    """Give each block of code with the text before it and its language."""
    place = 0
    for found in BLOCK.finditer(PAGE):
        yield PAGE[place : found.start()], found[1], found[2]
        place = found.end()


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    """The files as shown, and then the commands in their order: `st2` gets its answers, and the pack's tests pass."""
    shown = dict(files())
    assert "greeter/tests/test_greeter.py" in shown
    for name, text in shown.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    commands = [text for _, language, text in pieces() if language == "bash"]
    followed = [text for text in commands if not any(word in text for word in NOT_FOLLOWED)]
    assert len(followed) > 3
    environ = installed(tmp_path / "site")
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    redrive = f'redrive() {{ exec "{sys.executable}" -m orchestrator "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", SHELL + redrive + "".join(followed)],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello, Ada!" in done.stdout
    assert "Welcome, Ada!" in done.stdout
    assert "greeter.on_arrival" in done.stdout
    assert f"{shown['greeter/tests/test_greeter.py'].count('def test_')} passed" in done.stdout


def test_every_method_is_on_the_page() -> None:
    """The page names each public method and property of the fixture, and none that is not there."""
    public = {name for name in vars(StackStorm) if not name.startswith("_")} - {"explain", "reset"}
    table = PAGE.partition("## Test a pack with pytest")[2].partition("An `Execution` has")[0]
    named = set(re.findall(r"`(\w+)\(", "\n".join(line for line in table.splitlines() if line.startswith("| "))))
    assert public == named - {"set"}
