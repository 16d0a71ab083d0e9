"""What a person wants of an incident or of failures over HTTP: bodies, and queries of the audit."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from orchestrator.api.event_bodies import Span
from orchestrator.api.recovery_bodies import QueryBody
from orchestrator.api.schemas import LONGEST_REASON, Moment, Strict, Text
from orchestrator.domain.auditing import AuditQuery, Origin
from orchestrator.domain.incidents import Severity
from orchestrator.domain.selection import Selection

MOST_IDS = 10_000
MOST_LISTED = 1_000
LONGEST_NAME = 100
# What of an update is wanted; a null says something for the first two alone.
NULLABLE = ("owner", "snooze_until")
WANTED = (*NULLABLE, "severity", "acknowledge", "discard")


def _printable(name: str) -> str:
    if not name.isprintable() or not name.strip():
        raise ValueError("expected a name of printable characters, got control characters or nothing but spaces")
    return name.strip()


Place = Annotated[int, Field(ge=1, lt=2**63)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Owner = Annotated[Text, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_printable)]


class UpdateBody(Strict):
    """What is to change of an incident, and why. `owner` and `snooze_until` are taken away by null.

    With `revision` it holds for that one alone; with `dry_run` it is only told what would change.
    """

    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
    revision: int | None = Field(None, ge=1)
    owner: Owner | None = None
    severity: Severity | None = None
    acknowledge: Literal[True] | None = None
    snooze_until: Moment | None = None
    discard: Literal[True] | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _wants(self) -> Self:
        if not self.wanted:
            raise ValueError(f"expected at least one of {', '.join(WANTED)}, got none")
        if self.discard and len(self.wanted) > 1:
            raise ValueError("expected discard alone, got more beside it: of an incident that is over nothing changes")
        return self

    @property
    def wanted(self) -> dict[str, Any]:
        """Give what was said, and nothing else."""
        said = {name: getattr(self, name) for name in WANTED if name in self.model_fields_set}
        return {name: value for name, value in said.items() if value is not None or name in NULLABLE}


class WhyBody(Strict):
    """Why something is done; with `dry_run` it is only told what would be."""

    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
    dry_run: bool = False


class DiscardFailuresBody(WhyBody):
    """Which failures a person gives up, and why."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_IDS)] | None = None
    incident_id: UUID | None = None
    query: QueryBody | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if sum(each is not None for each in (self.ids, self.incident_id, self.query)) != 1:
            raise ValueError("expected exactly one of ids, incident_id and query")
        return self

    def selection(self) -> Selection:
        """Give the selection as the domain knows it."""
        if self.query:
            return self.query.value()
        return Selection(ids=frozenset(self.ids or ()), incident_id=self.incident_id)


class AuditPage(Span):
    """Which entries of the audit; all that is given must hold."""

    actor: Text | None = None
    incident: UUID | None = None
    dependency: Text | None = None
    verb: Text | None = None
    origin: Origin | None = None
    forced: bool | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 100
    cursor: Place | None = None

    def query(self) -> AuditQuery:
        """Give the query as the domain knows it."""
        return AuditQuery(
            actor=self.actor,
            incident_id=self.incident,
            dependency=self.dependency,
            verb=self.verb,
            origin=self.origin,
            since=self.since,
            until=self.until,
            forced=self.forced,
        )


class HeadQuery(Strict):
    """An entry as somebody has noted it, which the ledger's is compared with; and the one where a walk has stopped."""

    seq: Place | None = None
    hash: Hash | None = None
    after: int | None = Field(None, ge=0, lt=2**63)
    former: Hash | None = None
    place: int = Field(0, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _both(self) -> Self:
        for one, other in (("seq", "hash"), ("after", "former")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"expected {one} and {other} together, got one of them")
        return self
