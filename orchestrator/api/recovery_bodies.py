"""What crosses the HTTP API of recoveries: which failures, by which plan, and what is to become of one under way."""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from math import isfinite
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from pydantic import AfterValidator, Field, field_validator, model_validator

from orchestrator.api.schemas import LONGEST_REASON, GateBody, Moment, PaceBody, RouteBody, Strict, Text, storable
from orchestrator.domain.approving import Otherwise
from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.recoveries import Order
from orchestrator.domain.selection import MOVABLE, Selection
from orchestrator.flows.bulk.asking import RetryRequest

MOST_IDS = 10_000
MOST_EDITS = 100
LARGEST_LIMIT = 2**31 - 1
LONGEST_EDIT = 100_000
INTEGERS = range(-(2**63), 2**63)
SELECTING = ("failure_id", "task_id", "incident_id", "ids", "query")
Named = Annotated[Text, Field(min_length=1, max_length=1_000)]


def _scalar(value: object) -> object:
    """Refuse what a message or a database could not hold: a list, an object, a number that is too large or none."""
    if not isinstance(value, bool | int | float | str | None):
        raise ValueError(f"expected text, a number, true, false or null, got {type(value).__name__}")  # noqa: TRY004 - pydantic takes a ValueError
    if isinstance(value, str):
        if len(value) > LONGEST_EDIT:
            raise ValueError(f"expected at most {LONGEST_EDIT:,} characters, got {len(value):,}")
        return storable(value)
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("expected a finite number, got another; JSON has no such")
    if isinstance(value, int) and value not in INTEGERS:
        raise ValueError("expected a whole number of 64 bits, got a larger one; send it as text")
    return value


EditValue = Annotated[Any, AfterValidator(_scalar)]


class Doing(StrEnum):
    """The plans that a person can ask for."""

    RETRY = "retry"
    REROUTE = "reroute"
    CRON_BACKOFF = "cron_backoff"


class QueryBody(Strict):
    """Failures by what is known of them: all that is named must hold, and something must be.

    `task` may have `*` for any text and `?` for one character; `since` and `until` are when the runs failed.
    """

    task: Named | None = None
    queue: Named | None = None
    kind: Kind | None = None
    signature: Named | None = None
    dependency: Named | None = None
    organization: Named | None = None
    since: Moment | None = None
    until: Moment | None = None
    arguments: dict[Text, Text] = Field(default_factory=dict, max_length=16)
    states: frozenset[FailureState] = Field(default_factory=frozenset)

    @field_validator("states")
    @classmethod
    def _movable(cls, states: frozenset[FailureState]) -> frozenset[FailureState]:
        if not states <= MOVABLE:
            raise ValueError(f"expected held and dead alone, got {', '.join(sorted(states - MOVABLE))}")
        return states

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.value() == Selection(states=self.states):
            raise ValueError(
                "expected at least one of task, queue, kind, signature, dependency, organization, since, until and "
                "arguments, got none; name at least one"
            )
        if self.since and self.until and self.since >= self.until:
            raise ValueError("expected query.since before query.until, got them the other way round; exchange them")
        return self

    def value(self) -> Selection:
        """Give the selection as the domain knows it."""
        return Selection(**{name: getattr(self, name) for name in type(self).model_fields})


class ApprovalBody(Strict):
    """For how many seconds a person is asked whether it may go, and what is done when nobody answers."""

    timeout_seconds: int = Field(3_600, ge=60, le=604_800)
    otherwise: Otherwise = Otherwise.REJECT


class RetryBody(Strict):
    """Which failures to redrive, how, and why: one by its id or its task's, an incident's, those listed, or a query's.

    With `force` it waits for nothing; with `dry_run` it is only told what would go, and nothing is recorded. With
    `approval` nothing is claimed and nothing goes until a person has agreed.
    """

    failure_id: UUID | None = None
    task_id: Text | None = Field(None, min_length=1, max_length=255)
    incident_id: UUID | None = None
    ids: frozenset[UUID] | None = Field(None, min_length=1, max_length=MOST_IDS)
    query: QueryBody | None = None
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
    force: bool = False
    dry_run: bool = False
    plan: Doing = Doing.RETRY
    route: RouteBody | None = None
    gate: GateBody | None = None
    pace: PaceBody | None = None
    order: Order = Order.OLDEST
    limit: int | None = Field(None, ge=1, le=LARGEST_LIMIT)
    edits: dict[Text, EditValue] | None = Field(None, min_length=1, max_length=MOST_EDITS)
    revision: int | None = Field(None, ge=1)
    approval: ApprovalBody | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [name for name in SELECTING if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"expected exactly one of {', '.join(SELECTING[:-1])} and {SELECTING[-1]}, got {got}")
        if self.revision is not None and self.incident_id is None:
            raise ValueError("expected revision beside incident_id alone, got it without; leave it out")
        return self

    @model_validator(mode="after")
    def _fits_the_plan(self) -> Self:
        scheduled = self.gate is not None and self.gate.cron is not None
        if (self.plan is Doing.CRON_BACKOFF) and not scheduled:
            raise ValueError("expected gate.cron for the plan 'cron_backoff', got none; give a five-field expression")
        if self.plan is Doing.RETRY and scheduled:
            raise ValueError("expected the plan 'cron_backoff' beside gate.cron, got 'retry'; name that plan")
        if self.plan is Doing.REROUTE and self.route is None:
            raise ValueError("expected route for the plan 'reroute', got none; name a queue, or {\"table\": true}")
        if self.plan is not Doing.REROUTE and self.route is not None:
            raise ValueError(f"expected the plan 'reroute' beside route, got '{self.plan}'; name that plan")
        return self

    @property
    def single(self) -> bool:
        """Tell whether it means one failure."""
        return self.failure_id is not None or self.task_id is not None

    def digest(self) -> str:
        """Give what tells this request from others, the same in every process: sets in the order of their texts."""
        told = self.model_dump(mode="json")
        told["ids"] = sorted(told["ids"]) if told["ids"] else None
        if told["query"]:
            told["query"]["states"] = sorted(told["query"]["states"])
        return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def value(self, actor: str) -> RetryRequest:
        """Give what is asked as the flows know it."""
        return RetryRequest(
            actor=actor,
            reason=self.reason,
            failure_id=self.failure_id,
            task_id=self.task_id,
            force=self.force,
            incident_id=self.incident_id,
            route=self.route.value() if self.route else None,
            selection=self.query.value() if self.query else Selection(ids=self.ids) if self.ids else None,
            gate=self.gate.value() if self.gate else None,
            pace=self.pace.value() if self.pace else None,
            order=self.order,
            limit=self.limit,
            edits=self.edits or {},
            revision=self.revision,
        )


class RerouteBody(RetryBody):
    """What to redrive elsewhere: at the place of `route`, or where that is left out, at a target of the table."""

    plan: Doing = Doing.REROUTE
    route: RouteBody | None = Field(default_factory=lambda: RouteBody(table=True))


class SteerBody(Strict):
    """Why a recovery is to rest, to go on or to end."""

    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
