"""What crosses the HTTP API, both ways. Unknown keys are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from orchestrator.domain.commands import Mode
from orchestrator.domain.plan import Gate, Pace, Plan, PlanName, Route
from orchestrator.domain.routes.reading import constraints_of
from orchestrator.domain.schedule import GRACE, Misfire, Rung, Schedule

LONGEST_REASON = 2_000
NO_REASON = "no reason was given"
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
OF_A_SCHEDULE = ("windows", "blackouts", "ladder", "misfire", "misfire_grace_seconds")


def storable(text: str) -> str:
    """Refuse text that a database or a message cannot hold."""
    if "\x00" in text:
        raise ValueError("expected text without NUL characters")
    if not text.isascii() and text.encode("utf-8", "replace") != text.encode("utf-8", "surrogatepass"):
        raise ValueError("expected text that UTF-8 can hold, got half of a surrogate pair; send the whole character")
    return text


def _of_this_age(moment: datetime) -> datetime:
    """Refuse what no clock has shown: it cannot be told in every time zone."""
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"expected a time from 1970 to 9000, got {moment.isoformat()}")
    return moment.astimezone(UTC)


Text = Annotated[str, AfterValidator(storable)]
Moment = Annotated[AwareDatetime, AfterValidator(_of_this_age)]


class Strict(BaseModel):
    """A request body: a key that is not known is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid")


class HoldBody(Strict):
    """Why a person holds, or lets go again; with `dry_run` it is only told what would be held."""

    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
    dry_run: bool = False


class IncidentHoldBody(HoldBody):
    """Why a person holds an incident, or lets it go again; with `revision` that one alone."""

    revision: int | None = Field(None, ge=1)


class RouteBody(Strict):
    """Where a rerouted task goes: a place, arguments, or with `table` a target of the table of routes for each.

    `constraints` are as the settings have them (docs/reroute.md). What is null was not said.
    """

    queue: Text | None = Field(None, min_length=1, max_length=255)
    exchange: Text | None = Field(None, min_length=1, max_length=255)
    routing_key: Text | None = Field(None, max_length=255)
    kwargs: dict[str, Any] | None = None
    table: bool = False
    constraints: dict[str, Any] | None = None
    hop_limit: int | None = Field(None, ge=1, le=100)

    @field_validator("constraints")
    @classmethod
    def _known(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        said = {name: value for name, value in (given or {}).items() if value is not None}
        constraints_of(said)
        return said or None

    def value(self) -> Route:
        """Give the route as the domain knows it."""
        return Route(
            queue=self.queue,
            exchange=self.exchange,
            routing_key=self.routing_key,
            kwargs=self.kwargs or {},
            table=self.table,
            constraints=constraints_of(self.constraints) if self.constraints else None,
            hop_limit=self.hop_limit,
        )


class PaceBody(Strict):
    """Redrives in flight at any moment, and how often each failure may fail while others go well."""

    in_flight: int = Field(20, ge=1, le=10_000)
    tries_each: int = Field(10, ge=1, le=10_000)

    def value(self) -> Pace:
        """Give the pace as the domain knows it."""
        return Pace(self.in_flight, self.tries_each)


class RungBody(Strict):
    """Another cron expression, after so many canaries that failed in a row."""

    after: int = Field(ge=1)
    cron: Text


class GateBody(Strict):
    """When held failures may go. What stands after `cron` belongs to it, and is refused without it."""

    first_after_seconds: float = Field(1.0, ge=0)
    factor: float = Field(2.0, ge=1)
    max_distance_seconds: float = Field(300.0, gt=0)
    max_tries: int = Field(20, ge=1)
    at: AwareDatetime | None = None
    cron: Text | None = None
    timezone: Text | None = None
    windows: list[Text] | None = None
    blackouts: list[Text] | None = None
    ladder: list[RungBody] | None = None
    misfire: Misfire | None = None
    misfire_grace_seconds: float | None = None

    @model_validator(mode="after")
    def _of_a_schedule(self) -> Self:
        given = [name for name in OF_A_SCHEDULE if getattr(self, name)]
        if given and not self.cron:
            raise ValueError(f"expected gate.cron beside {', '.join(given)}, got none; give a five-field expression")
        return self

    def value(self) -> Gate:
        """Give the gate as the domain knows it."""
        return Gate(
            first_after=self.first_after_seconds,
            factor=self.factor,
            max_distance=self.max_distance_seconds,
            max_tries=self.max_tries,
            at=self.at,
            schedule=_schedule(self) if self.cron else None,
        )


class PlanBody(Strict):
    """An instruction of a workflow, with the revision that it was decided on and the execution that decided."""

    plan: PlanName
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
    revision: int = Field(ge=1)
    execution_id: Text = Field(min_length=1, max_length=64)
    route: RouteBody | None = None
    pace: PaceBody | None = None
    gate: GateBody | None = None

    def value(self) -> Plan:
        """Give the plan as the domain knows it."""
        return Plan(
            name=self.plan,
            reason=self.reason,
            route=self.route.value() if self.route else None,
            pace=self.pace.value() if self.pace else Pace(),
            gate=self.gate.value() if self.gate else Gate(),
            execution_id=self.execution_id,
        )


def _schedule(body: GateBody) -> Schedule:
    grace = body.misfire_grace_seconds
    return Schedule(
        cron=body.cron or "",
        timezone=body.timezone or "UTC",
        windows=tuple(body.windows or ()),
        blackouts=tuple(body.blackouts or ()),
        ladder=tuple(Rung(each.after, each.cron) for each in body.ladder or ()),
        misfire=body.misfire or Misfire.FIRE_ONCE,
        grace=GRACE if grace is None else grace,
    )


class ModeBody(Strict):
    """The mode to switch to, and why: the audit keeps that."""

    mode: Mode
    reason: Text = Field(NO_REASON, min_length=1, max_length=LONGEST_REASON)


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, Any]] = []
    trace_id: str | None = None
    what_next: str | None = None
