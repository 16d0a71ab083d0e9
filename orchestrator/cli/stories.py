"""A story on one screen: what it is about, its steps with their times, how it stands, and the command to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.columns import wrapped
from orchestrator.cli.copying import to_copy
from orchestrator.cli.lines import width
from orchestrator.cli.times import clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What one screen holds; of longer stories the middle is folded.
SCREEN: Final = 40
# Of one step, so many lines are shown on a folded screen.
LINES_EACH: Final = 4
# Lines that the steps have at least, however much is to be said around them.
LEAST: Final = 12
NO_TIME: Final = " " * 8
INDENT: Final = "          "
LABEL: Final = 12


def told(story: dict[str, Any], *, whole: bool = False, screen: int = SCREEN) -> Iterator[str]:
    """Give the lines of a story; one that is not asked for `whole` fits on a screen."""
    head, foot = list(_head(story)), list(_foot(story))
    yield from head
    yield from told_steps(story["steps"], story["id"], 0 if whole else max(LEAST, screen - len(head) - len(foot)))
    yield from foot


def told_steps(steps: Sequence[dict[str, Any]], named: str, most: int) -> Iterator[str]:
    """Give the lines of steps, `most` at most (0: all): long ones are cut first, then the middle is folded."""
    blocks = list(_blocks(steps, whole=True))
    if most and sum(map(len, blocks)) > most:
        blocks = list(_blocks(steps, whole=False))
    yield from _folded(blocks, named, most)


def labelled(label: str, text: object) -> Iterator[str]:
    """Give the lines of a labelled text."""
    yield from wrapped(text, f"{label:<{LABEL}}")


def _head(story: dict[str, Any]) -> Iterator[str]:
    yield from labelled(story["about"], story["id"])
    yield from wrapped(story["title"], " " * LABEL)


def _blocks(steps: Sequence[dict[str, Any]], *, whole: bool) -> Iterator[list[str]]:
    """Give the lines of each step; the date stands above the first one of a day."""
    day = ""
    for step in steps:
        moment = step["at"] or ""
        lines = [f"{moment[:10]} (UTC)"] if moment and moment[:10] != day else []
        day = moment[:10] or day
        text = list(wrapped(_step(step), f"{moment[11:19] or NO_TIME}  ", INDENT))
        if not whole and len(text) > LINES_EACH:
            text = [*text[: LINES_EACH - 1], f"{INDENT}... (--all shows the rest)"]
        yield [*lines, *text]


def _step(step: dict[str, Any]) -> str:
    rule = step["rule"]
    made = f" [rule {rule}]" if rule and rule not in step["text"] else ""
    by = step["by"]
    whose = f" ({by})" if step["what"] == "plan.accepted" and by else ""
    return f"{step['text']}{whose}{made}"


def _folded(blocks: Sequence[list[str]], named: str, most: int) -> Iterator[str]:
    """Give lines: of more than `most` the beginning and the end, and how many steps are between."""
    if not most or sum(map(len, blocks)) <= most:
        for block in blocks:
            yield from block
        return
    again = to_copy(["redrive", "why", named, "--all"], width(), INDENT)
    room, first, last = most - 1 - len(again), 0, len(blocks)
    # The end tells more than the beginning: two of its blocks for each one of the beginning.
    while True:
        from_end = (len(blocks) - last) <= 2 * first
        block = blocks[last - 1] if from_end else blocks[first]
        if last - first <= 1 or len(block) > room:
            break
        room -= len(block)
        first, last = (first, last - 1) if from_end else (first + 1, last)
    for block in blocks[:first]:
        yield from block
    yield f"{INDENT}and {last - first} more:"
    yield from again
    for block in blocks[last:]:
        yield from block


def _foot(story: dict[str, Any]) -> Iterator[str]:
    for gone in story["gone"]:
        yield from labelled("gone", gone)
    yield from standing(story["now"])


def standing(now: dict[str, Any]) -> Iterator[str]:
    """Give the lines that say how something stands, what it waits for, when it goes, and what to type."""
    yield from labelled("now", now["state"])
    for each in now["waits_for"]:
        yield from labelled("waits for", each)
    if now["next_at"]:
        yield from labelled("goes at", f"{clock(now['next_at'])}, or later")
    yield from labelled("next", now["next"])
    if now["command"]:
        yield from to_copy(shlex.split(now["command"]), width())
