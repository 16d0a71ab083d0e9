"""Stories on one screen: what does not fit is folded in the middle, and says so."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from orchestrator.cli.stories import SCREEN, told

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300) | st.sampled_from(["x " * 200, "x" * 500, "\u8d85" * 90])
TIMES = st.none() | st.sampled_from([f"2025-11-2{day}T12:00:0{day}Z" for day in range(5)])


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


def step(text: str, at: str | None = None) -> dict[str, Any]:
    """Make a step as the API tells one."""
    return {"at": at, "what": "a.step", "text": text, "by": None, "rule": None, "execution_id": None}


def story(steps: list[dict[str, Any]], command: str | None = None, named: str = "t0") -> dict[str, Any]:
    """Make a story as the API tells one."""
    now = {"state": "held", "next": "a person", "waits_for": [], "next_at": None, "command": command}
    return {"about": "task", "id": named, "title": "app.call", "steps": steps, "now": now, "gone": []}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.builds(step, TEXTS, TIMES), max_size=30))
def test_a_story_fits_on_one_screen_whatever_its_steps(steps: list[dict[str, Any]]) -> None:
    """40 lines of 80 cells at most; what is folded is counted, and --all has every line."""
    lines = list(told(story(steps)))
    assert len(lines) <= SCREEN
    assert [line for line in lines if cell_len(line) > 80] == []
    whole = list(told(story(steps), whole=True))
    assert [line for line in whole if cell_len(line) > 80] == []
    assert any(" more:" in line for line in lines) or len(whole) == len(lines) or any("--all" in line for line in lines)


def test_what_is_folded_adds_up() -> None:
    """The steps that are shown and those that are counted are all of them."""
    lines = list(told(story([step(f"step number {number} of many") for number in range(100)])))
    shown = sum("step number" in line for line in lines)
    (more,) = (line for line in lines if line.strip().startswith("and "))
    assert shown + int(more.split()[1]) == 100
    assert "step number 0 of many" in "".join(lines)
    assert "step number 99 of many" in "".join(lines)


@pytest.mark.parametrize("name", ["model", "a b", "it's; rm -rf /", "m" * 150, "\u8d85\u8d85", "x\x1b[2J"])
def test_the_next_command_can_be_copied(name: str) -> None:
    """A shell reads the lines as the words that were meant, however long or odd a name is."""
    words = ["redrive", "release", name, "--reason", "WHY"]
    lines = list(told(story([], command=shlex.join(words))))
    copied = "\n".join(lines[lines.index(next(each for each in lines if each.startswith("  redrive"))) :])
    assert "\x1b" not in copied
    if name.isprintable():
        assert shlex.split(copied.replace("\\\n", "")) == words
