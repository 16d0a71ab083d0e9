"""A story: what became of something, step by step from recorded facts, how it stands now, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

BEFORE_ALL: Final = datetime(1, 1, 1, tzinfo=UTC)
# Of what has the same time, an end comes behind what it ends, and what was told of it behind that.
LAST: Final = ("release.ended", "incident.closed", "alert.resolved", "outcome.told")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened: `what` as noun.verb, `text` in words, `by` whom.

    `at` is None where nobody noted the time. `rule` and `execution_id` are those that decided it.
    """

    at: datetime | None
    what: str
    text: str
    by: str | None = None
    rule: str | None = None
    execution_id: str | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """How it stands: its state, all that it waits for, when it goes next (None: not by the clock, or not at all), what
    happens next in words, and the command that a person may type.
    """

    state: str
    next: str
    waits_for: tuple[str, ...] = ()
    next_at: datetime | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """The story of one thing: `about` says of what sort it is, `gone` what was recorded once and is not there now."""

    about: str
    id: str
    title: str
    steps: tuple[Step, ...]
    now: Now
    gone: tuple[str, ...] = ()


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Sort steps by time; of equals, and of what has no time, each stays behind the one before it, but for ends."""
    placed, last = [], BEFORE_ALL
    for step in steps:
        last = step.at or last
        rank = LAST.index(step.what) + 1 if step.what in LAST else 0
        placed.append(((last, rank), step))
    return tuple(step for _, step in sorted(placed, key=lambda each: each[0]))
