"""An alert: one for each incident, or for a storm of them; told once for each level, kept up to date, resolved once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from orchestrator.domain.incidents import Incident, Severity
from orchestrator.domain.plan import PlanName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID


class AlertState(StrEnum):
    """Where an alert stands: `waiting` has told nobody yet."""

    WAITING = "waiting"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


ACTIVE = (AlertState.WAITING, AlertState.FIRING, AlertState.ACKNOWLEDGED)


class Action(StrEnum):
    """What targets are asked to do, in PagerDuty's words; an update wakes nobody."""

    TRIGGER = "trigger"
    UPDATE = "update"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Raised:
    """A level was told, once."""

    level: int
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What targets were told last: an update is worth it where it differs enough from what is so."""

    state: AlertState
    size: int
    incidents: int
    kind: str
    health: str
    at: datetime
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as the ledger holds it. `level` counts from 1; 0 before anybody was told.

    `began_at` is when its first incident opened; `climbs_from`, from when the ladder's seconds count: that, or when it
    opened again, or when it was put back after somebody had acknowledged it. `targets` are all that were told;
    `owed`, those that are to be told once their quiet hours end. `events` numbers what was told. `seconds_to_...` count
    since it began: until the first word of anybody, and until it was over the last time.
    """

    id: UUID
    ladder: str
    began_at: datetime
    climbs_from: datetime
    dependency: str | None = None
    state: AlertState = AlertState.WAITING
    severity: Severity = Severity.ERROR
    level: int = 0
    raised: tuple[Raised, ...] = ()
    targets: tuple[str, ...] = ()
    owed: tuple[str, ...] = ()
    pages: int = 0
    events: int = 0
    reopened: int = 0
    incidents: int = 1
    told: Told | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    seconds_to_acknowledge: float | None = None
    seconds_to_resolve: float | None = None
    joined_at: datetime | None = None
    # A level that somebody asked for: it is told whatever its conditions say.
    asked_level: int = 0
    next_at: datetime | None = None

    @property
    def key(self) -> str:
        """Give the key by which every target knows it again."""
        return f"redrive-{self.id}"

    def waits_for_word_on(self, incident: Incident) -> bool:
        """Tell whether nobody knows of one of its incidents; a word that was given before it climbed on is none."""
        return incident.acknowledged_at is None or incident.acknowledged_at < self.climbs_from

    def joined_by_one(self, now: datetime) -> Alert:
        """Tell of one incident more."""
        return replace(self, incidents=self.incidents + 1, joined_at=now, next_at=now)

    def reopened_at(self, now: datetime) -> Alert:
        """Go on after it was resolved, at its level: who was woken for it is not woken again as long as it may flap."""
        state = AlertState.FIRING if self.level else AlertState.WAITING
        again = replace(self, state=state, resolved_at=None, acknowledged_at=None, acknowledged_by=None)
        return replace(again, climbs_from=now, reopened=self.reopened + 1, next_at=now)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an alert's incidents: those that are open, and of all of them the largest.

    `closed_at` is when the last of those that are over ended. `attempts` is how many redrives failed; `money` USD, None
    where it is not known. `acknowledged_at` and `snoozed_until` only where that holds for all that are open.
    """

    largest: Incident
    open: int
    incidents: int
    size: int
    severity: Severity
    health: str = ""
    attempts: int = 0
    money: Decimal | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    snoozed_until: datetime | None = None
    closed_at: datetime | None = None

    @property
    def escalated(self) -> bool:
        """Tell whether a workflow has decided that a person is to be told."""
        return self.largest.plan is not None and self.largest.plan.name is PlanName.ESCALATE


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done with an alert now: nothing where `action` is None; `alert` is how it stands afterwards.

    `targets` are told, `why` says why now; `wakes` is whether they are to be woken.
    """

    alert: Alert
    action: Action | None = None
    targets: tuple[str, ...] = ()
    why: str = ""

    @property
    def wakes(self) -> bool:
        """Tell whether whoever is told is woken."""
        return self.action is Action.TRIGGER


@dataclass(frozen=True, slots=True)
class Notice:
    """What a target is told: the data of one `redrive.alert.changed.v1`."""

    key: str
    action: Action
    severity: Severity
    title: str
    text: str
    at: str = ""
    targets: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    reopened: bool = False
