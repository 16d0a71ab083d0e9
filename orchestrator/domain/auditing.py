"""The audit: who changed what, when and why, in one chain of hashes; and the ledger's verbs on it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from eventbus.wire import AUDIT_RECORDED, Event
from orchestrator.domain.approving import NOBODY
from orchestrator.domain.commands import CommandKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orchestrator.domain.commands import Command

SOURCE: Final = "urn:redrive:orchestrator"
# What the first entry has in the place of the hash of the one before.
NO_HASH: Final = "0" * 64
# Who acts where nobody asked: the orchestrator itself.
REDRIVE: Final = "redrive"
RECONCILER: Final = "reconciler"
# Commands that the orchestrator gives itself: what was found missing goes again, what nobody answered is decided.
BY_ITSELF: Final = frozenset({RECONCILER, NOBODY})
# Commands that are a recovery of their own: its id is the command's.
BEGINS: Final = frozenset({CommandKind.RETRY, CommandKind.REROUTE, CommandKind.CRON_BACKOFF})


class Origin(StrEnum):
    """Where a deed came from: a person; a rule's workflow; the built-in plan; the orchestrator by its settings."""

    PERSON = "person"
    RULE = "rule"
    BUILT_IN = "built_in"
    REDRIVE = "redrive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done, by whom and why, before it has its place in the chain.

    `overrides` are what spoke against a command that was `forced`. `before` and `after` are what it changed, as JSON
    can hold it. It names what it is about: failure, incident, dependency, recovery, sink or event.
    """

    id: UUID
    at: datetime
    actor: str
    origin: Origin
    verb: str
    reason: str
    failure_id: UUID | None = None
    incident_id: UUID | None = None
    dependency: str | None = None
    recovery_id: UUID | None = None
    sink: str | None = None
    event: str | None = None
    execution_id: str | None = None
    rule: str | None = None
    forced: bool = False
    overrides: tuple[str, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry(Deed):
    """One link of the chain. `revision` is its incident's, after it; `former` the hash of the entry before."""

    seq: int
    revision: int | None
    former: str
    hash: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """Give it as JSON has it, everywhere the same: members that are null are left out."""
        members = {each.name: _plain(getattr(self, each.name)) for each in fields(self)}
        return {name: value for name, value in members.items() if value is not None}

    @property
    def expected_hash(self) -> str:
        """Give the SHA-256 of all but the hash: JSON in ASCII with sorted names and without spaces."""
        content = {name: value for name, value in self.told.items() if name != "hash"}
        return sha256(_dumped(content).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries; all that is given must hold."""

    actor: str | None = None
    incident_id: UUID | None = None
    dependency: str | None = None
    recovery_id: UUID | None = None
    verb: str | None = None
    origin: Origin | None = None
    since: datetime | None = None
    until: datetime | None = None
    forced: bool | None = None


class AuditingTx(Protocol):
    """What a transaction on the ledger can do for the audit, which grows and is never changed."""

    def audit(self, deed: Deed) -> AuditEntry:
        """Append a deed to the chain, and emit it as an event."""

    def audit_all(self, deeds: Sequence[Deed]) -> list[AuditEntry]:
        """Append deeds to the chain, in their order and however many, and emit each as an event."""

    def audited(self, query: AuditQuery, limit: int, before: int | None = None) -> list[AuditEntry]:
        """List entries, newest first, those before the one with the number `before`."""

    def audit_from(self, after: int, limit: int) -> list[AuditEntry]:
        """List entries in the order of the chain, behind the one with the number `after`."""

    def audit_entry(self, seq: int) -> AuditEntry | None:
        """Look an entry up by its number."""

    def audit_hashes(self, seqs: Collection[int]) -> Mapping[int, str]:
        """Give the hashes of entries by their numbers; those that are not there are left out."""

    def changes_of(self, incident_id: UUID, revision: int, limit: int) -> list[AuditEntry]:
        """List the newest entries that left an incident at a later revision than this one, newest first."""

    def rule_of(self, incident_id: UUID, execution_id: str) -> str | None:
        """Name the rule whose execution this is, where the incident's triggers know it by now."""


def sealed(deed: Deed, seq: int, revision: int | None, former: str) -> AuditEntry:
    """Give a deed its place in the chain."""
    values: dict[str, Any] = {each.name: getattr(deed, each.name) for each in fields(deed)}
    values |= {"at": deed.at.astimezone(UTC), "overrides": tuple(deed.overrides)}
    # As the database will give it back: what JSON does not have is text from now on.
    values |= {name: json.loads(_dumped(values[name])) for name in ("before", "after")}
    bare = AuditEntry(**values, seq=seq, revision=revision, former=former)
    return AuditEntry(**values, seq=seq, revision=revision, former=former, hash=bare.expected_hash)


def audit_recorded(entry: AuditEntry) -> Event:
    """Tell of an entry, whole and with its hash: who keeps these can hold the ledger to them."""
    return Event(id=str(entry.id), source=SOURCE, type=AUDIT_RECORDED, time=entry.at, data=entry.told)


def deed_of(command: Command) -> Deed:
    """Give the deed that a command is."""
    touched = {**command.before, **command.after}
    named = touched.get("recovery_id")
    recovery = command.id if command.kind in BEGINS else UUID(str(named)) if named else None
    execution = command.after.get("execution_id")
    return Deed(
        id=command.id,
        at=command.created_at,
        actor=command.actor,
        origin=_origin(command, execution),
        verb=str(command.kind),
        reason=command.reason,
        failure_id=command.failure_id,
        incident_id=command.incident_id,
        dependency=command.dependency,
        recovery_id=recovery,
        execution_id=str(execution) if execution else None,
        sink=touched.get("sink"),
        event=touched.get("event"),
        forced=command.forced,
        overrides=tuple(map(str, command.before.get("waits_for", ()))) if command.forced else (),
        before=command.before,
        after=command.after,
    )


def _origin(command: Command, execution: object) -> Origin:
    """Tell whose deed a command is: the orchestrator's own, of a workflow that names its execution, or a person's."""
    if command.actor in BY_ITSELF:
        return Origin.REDRIVE
    return Origin.RULE if execution else Origin.PERSON


def _plain(value: Any) -> Any:  # noqa: ANN401 - any member of an entry
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, (bool, int, dict)) else str(value)


def _dumped(content: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
