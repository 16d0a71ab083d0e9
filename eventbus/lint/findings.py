"""What a check finds: a frozen value, and the check that it came from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventbus.lint.facts import AppFacts


class Severity(StrEnum):
    """How much it costs: a failure or a task is lost or doubled; it can be, in a fault; it is good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Found:
    """What an app has: of which tasks, queues or settings, in one sentence, and the line that changes it."""

    what: str
    change: str
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its id never changes. `find` is pure."""

    id: str
    severity: Severity
    why: str
    find: Callable[[AppFacts], Found | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: Check
    found: Found
