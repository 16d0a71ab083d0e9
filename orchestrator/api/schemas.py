"""What crosses the HTTP API, both ways. Unknown keys are refused."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from orchestrator.domain.commands import Mode
from orchestrator.domain.plan import Gate, Pace, Plan, PlanName, Route

LONGEST_REASON = 2_000


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("expected text without NUL characters")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class Strict(BaseModel):
    """A request body: a key that is not known is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid")


class RetryBody(Strict):
    """Which failure to redrive, by its id or its task's, and why."""

    failure_id: UUID | None = None
    task_id: Text | None = Field(None, min_length=1, max_length=255)
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.failure_id is None) == (self.task_id is None):
            raise ValueError("expected exactly one of failure_id and task_id")
        return self


class RouteBody(Strict):
    """The queue that a rerouted task goes to."""

    queue: Text = Field(min_length=1, max_length=255)


class PaceBody(Strict):
    """Redrives in flight at any moment."""

    in_flight: int = Field(ge=1, le=10_000)


class GateBody(Strict):
    """When held failures may go."""

    first_after_seconds: float = Field(1.0, ge=0)
    factor: float = Field(2.0, ge=1)
    max_distance_seconds: float = Field(300.0, gt=0)
    max_tries: int = Field(20, ge=1)
    at: AwareDatetime | None = None
    cron: Text | None = None
    timezone: Text | None = None


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
            route=Route(self.route.queue) if self.route else None,
            pace=Pace(self.pace.in_flight) if self.pace else Pace(),
            gate=_gate(self.gate) if self.gate else Gate(),
            execution_id=self.execution_id,
        )


def _gate(body: GateBody) -> Gate:
    return Gate(
        first_after=body.first_after_seconds,
        factor=body.factor,
        max_distance=body.max_distance_seconds,
        max_tries=body.max_tries,
        at=body.at,
        cron=body.cron,
        timezone=body.timezone or "UTC",
    )


class ModeBody(Strict):
    """The mode to switch to."""

    mode: Mode


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
