"""A person's command: who, what, when, why, before, after; and the modes that say what may be done without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


class Mode(StrEnum):
    """What the orchestrator may do: watch and plan only, act, or stand still."""

    OBSERVE = "observe"
    ACT = "act"
    PAUSED = "paused"


class CommandKind(StrEnum):
    """What a person can ask for: failures to go again, here or elsewhere or by a schedule, or to be held, or no longer.

    Of a recovery that goes: to rest, to go on, to end; of one that waits for somebody's consent: yes or no. Of an
    incident: another owner, severity, snooze, that somebody knows of it, or that it is given up; to wake somebody.
    Of events: to be sent again, dead letters to be given up, a sink's circuit to be held open or closed or let go,
    a replay to be cancelled, a sink that is gone to be forgotten.
    """

    RETRY = "retry"
    REROUTE = "reroute"
    HOLD = "hold"
    RELEASE = "release"
    REPLAY = "replay"
    DISCARD = "discard"
    CIRCUIT = "circuit"
    CANCEL = "cancel"
    FORGET = "forget"
    CRON_BACKOFF = "cron_backoff"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    APPROVE = "approve"
    REJECT = "reject"
    UPDATE = "update"
    ACKNOWLEDGE = "acknowledge"
    ESCALATE = "escalate"
    MODE = "mode"


@dataclass(frozen=True, slots=True)
class Command:
    """A person asked for something, and it was done.

    It names what it is about: a failure, an incident or a dependency; and the release that it has opened, if any.
    `before` and `after` are what it has changed; a `forced` one overrode what spoke against it, which `before` tells.
    """

    id: UUID
    actor: str
    reason: str
    created_at: datetime
    kind: CommandKind = CommandKind.RETRY
    failure_id: UUID | None = None
    incident_id: UUID | None = None
    dependency: str | None = None
    release_id: UUID | None = None
    forced: bool = False
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered to the first request with an Idempotency-Key; the hash is of that request's body."""

    request_hash: str
    status: int
    body: str
    location: str
