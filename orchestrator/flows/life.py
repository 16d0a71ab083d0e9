"""An incident's life, told from the ledger's rows: each look gives what has happened since the one before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from orchestrator.domain.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx

# Rows are committed somewhat after the time that they bear: what is younger is told by the next look, in its order.
SETTLES: Final = timedelta(seconds=1)
# More than rows can bear one time: a step records 100 attempts at most.
AT_ONCE: Final = 2_000
# Of what has the same time, an end comes behind what it ends.
IN_ORDER: Final = (
    "incident.opened",
    "command.recorded",
    "release.started",
    "attempt.recorded",
    "attempt.ended",
    "release.ended",
    "incident.closed",
)
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in a life: the time of what was told last, and what it was."""

    at: datetime = BEGINNING
    what: str = ""

    @classmethod
    def of(cls, text: str | None) -> Self:
        """Read one that was given out; the beginning, where it is none of ours."""
        at, _, what = (text or "").partition("~")
        with suppress(ValueError):
            moment = datetime.fromisoformat(at)
            if moment.tzinfo:
                return cls(moment, what)
        return cls()

    def __str__(self) -> str:
        """Give it as text, for `of`."""
        return f"{self.at.isoformat()}~{self.what}"


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened; `id` is the place behind it."""

    id: Cursor
    name: str
    data: dict[str, Any]


@dataclass(slots=True)
class Life:
    """The life of one incident, from `cursor` on.

    `over`: it is closed, its releases too, and all is told; `more`: look again at once.
    What has no time of its own (the plan, the health of the dependency, a hold) is told when a look finds it changed.
    """

    incident_id: UUID
    cursor: Cursor = field(default_factory=Cursor)
    over: bool = False
    more: bool = False
    _standing: dict[str, Any] = field(default_factory=dict)

    def look(self, tx: LedgerTx, now: datetime) -> Sequence[Told]:
        """Give what has happened, oldest first; raises NotFound where retention took the incident."""
        incident = tx.incident(self.incident_id)
        if incident is None:
            raise NotFound("incident", str(self.incident_id))
        until = now if incident.closed else now - SETTLES
        dated, until = self._dated(tx, incident, until)
        new = sorted(
            (each for each in dated if self.cursor < each.id and each.id.at <= until), key=lambda told: told.id
        )
        running = any(not each.ended for each in tx.releases_of(incident.id))
        self.over = incident.closed and not running and not self.more
        if new:
            self.cursor = new[-1].id
        return [*new, *self._changed(tx, incident)]

    def _dated(self, tx: LedgerTx, incident: Incident, until: datetime) -> tuple[list[Told], datetime]:
        recorded = tx.attempts_recorded(incident.id, self.cursor.at, AT_ONCE)
        ended = tx.attempts_ended(incident.id, self.cursor.at, AT_ONCE)
        full = [
            when(each[-1]) - timedelta(microseconds=1)
            for each, when in ((recorded, _recorded_at), (ended, _ended_at))
            if len(each) == AT_ONCE
        ]
        self.more = bool(full)
        found = [
            *_steps(tx, incident),
            *(_attempt("attempt.recorded", each, _recorded_at) for each in recorded),
            *(_attempt("attempt.ended", each, _ended_at) for each in ended),
        ]
        return found, min([until, *full])

    def _changed(self, tx: LedgerTx, incident: Incident) -> Iterator[Told]:
        for name, data in _standing(tx, incident):
            if self._standing.get(name) != data:
                self._standing[name] = data
                yield Told(self.cursor, name, data)


def _steps(tx: LedgerTx, incident: Incident) -> Iterator[Told]:
    about = {"incident_id": str(incident.id), "kind": str(incident.kind), "task": incident.task}
    yield _told("incident.opened", incident.opened_at, "", about | {"dependency": incident.dependency})
    for command in tx.commands_of(incident.id):
        yield _told("command.recorded", command.created_at, command.id, asdict(command))
    for release in tx.releases_of(incident.id):
        data = {"release_id": str(release.id), "plan": str(release.plan.name), "forced": release.forced}
        if release.started_at:
            yield _told("release.started", release.started_at, release.id, data)
        if release.ended_at:
            ended = {"outcome": str(release.state), "note": release.note, **asdict(tx.release_counts(release.id))}
            yield _told("release.ended", release.ended_at, release.id, data | ended)
    if incident.closed_at:
        yield _told("incident.closed", incident.closed_at, "~", about | {"state": str(incident.state)})


def _standing(tx: LedgerTx, incident: Incident) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give what has no time of its own: the present one is told."""
    plan = incident.plan
    if plan:
        decided = {"plan": str(plan.name), "reason": plan.reason, "execution_id": plan.execution_id}
        yield "incident.planned", decided | {"revision": incident.revision, "built_in": plan.built_in}
    yield "incident.changed", {"state": str(incident.state), "note": incident.note, "held_by": incident.held_by}
    dependency = tx.dependency(incident.dependency) if incident.dependency else None
    if dependency:
        since = dependency.since.isoformat() if dependency.since else None
        how = {"dependency": dependency.name, "health": str(dependency.health), "why": dependency.why, "since": since}
        yield "dependency.changed", how | {"held_by": dependency.held_by}


def _attempt(name: str, attempt: Attempt, when: Callable[[Attempt], datetime]) -> Told:
    data = {
        "attempt_id": str(attempt.id),
        "failure_id": str(attempt.failure_id),
        "task_id": attempt.task_id,
        "release_id": str(attempt.release_id),
        "number": attempt.number,
    }
    ended = {"outcome": str(attempt.state), "reason": attempt.reason} if name == "attempt.ended" else {}
    return _told(name, when(attempt), attempt.id, data | ended)


def _recorded_at(attempt: Attempt) -> datetime:
    return attempt.recorded_at


def _ended_at(attempt: Attempt) -> datetime:
    return attempt.ended_at or attempt.recorded_at


def _told(name: str, at: datetime, key: object, data: dict[str, Any]) -> Told:
    return Told(Cursor(at, f"{IN_ORDER.index(name)}/{key}"), name, {"at": at.isoformat(), **data})
