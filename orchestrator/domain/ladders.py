"""Ladders: who is told of an incident, and when somebody else is, because nobody has answered or it got worse."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from orchestrator.domain.incidents import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from orchestrator.domain.failures import Kind
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.quiet_hours import QuietHours

# The mildest first.
RANK: Final = {severity: number for number, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a ladder: whom it tells, and what has to be so. None is no condition; without any it holds at once.

    `after` is seconds since the alert began, `unanswered` seconds since the level before was told and nobody
    acknowledged; `attempts` counts redrives that failed; `money` is USD. One condition is enough, unless `every` is
    set. `wakes_always` pays no heed to quiet hours.
    """

    name: str
    targets: tuple[str, ...]
    after: float | None = None
    unanswered: float | None = None
    size: int | None = None
    attempts: int | None = None
    severity: Severity | None = None
    money: Decimal | None = None
    every: bool = False
    wakes_always: bool = False


@dataclass(frozen=True, slots=True)
class Ladder:
    """Levels, the first one first. After `again_after` seconds an acknowledged alert climbs on; None: never."""

    name: str
    levels: tuple[Level, ...]
    again_after: float | None = None

    @property
    def asks_for_money(self) -> bool:
        """Tell whether a level waits for an amount."""
        return any(level.money is not None for level in self.levels)

    @property
    def most_attempts(self) -> int:
        """Give the largest number of attempts that a level waits for; 0 where none does."""
        return max((level.attempts or 0 for level in self.levels), default=0)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which incidents go by which ladder, and how severe they are; None fits all. A ladder of None tells nobody."""

    ladder: str | None
    dependency: str | None = None
    kind: Kind | None = None
    task: str | None = None
    severity: Severity | None = None

    def fits(self, incident: Incident) -> bool:
        """Tell whether it is meant for an incident."""
        if self.kind is not None and self.kind is not incident.kind:
            return False
        if self.dependency is not None and not fnmatchcase(incident.dependency or "", self.dependency):
            return False
        return self.task is None or fnmatchcase(incident.task, self.task)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of what, as the settings have it; times are seconds.

    `quiet` are the quiet hours of targets. Once `storm_incidents` without a dependency began within `storm`, those that
    come so close behind share an alert; those of one dependency share one within the hour. An incident that looks like
    one whose alert was resolved less than `flapping` ago goes on with that; so long nobody is told of that, and then
    they are. `update_every` is between two updates of an alert.
    """

    ladders: Mapping[str, Ladder] = field(default_factory=dict)
    default: str | None = None
    rules: tuple[Rule, ...] = ()
    quiet: Mapping[str, QuietHours] = field(default_factory=dict)
    storm: float = 60.0
    storm_incidents: int = 5
    flapping: float = 900.0
    update_every: float = 300.0

    @property
    def on(self) -> bool:
        """Tell whether anybody is told of anything."""
        return bool(self.ladders)

    def meant_for(self, incident: Incident) -> tuple[Ladder | None, Severity | None]:
        """Give the ladder of an incident, and the severity that a rule gives it; the first rule that fits decides."""
        rule = next((each for each in self.rules if each.fits(incident)), Rule(self.default))
        return self.ladders.get(rule.ladder or ""), rule.severity
