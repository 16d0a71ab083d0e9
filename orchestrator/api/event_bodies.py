"""What is asked of events over HTTP: which of them, what is to be done, by whose word."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, field_validator, model_validator

from orchestrator.api.schemas import LONGEST_REASON, NO_REASON, Moment, Strict, Text
from orchestrator.domain.replays import FIXED

MOST_NAMED = 1_000
MOST_LISTED = 1_000
Name = Annotated[Text, Field(min_length=1, max_length=255)]


class Span(Strict):
    """A time that ends after it begins, where both are named."""

    since: Moment | None = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"expected since before until, got {self.since.isoformat()} and {self.until.isoformat()}")
        return self


class Chosen(Span):
    """Which events; `since` and `until` are of their acceptance, by the server's clock."""

    sink: Name | None = None
    type: Name | None = None


class ListQuery(Chosen):
    """Which page of which events; with `dead` of dead letters."""

    dead: bool = False
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 100
    cursor: str | None = None


class ReplayBody(Chosen):
    """Which events are sent again: dead letters, or with `dead` false those that were delivered.

    `patch` is merged into each (RFC 7396); `pace` is events a second. With `dry_run` it is only told what would go.
    """

    dead: bool = True
    event_ids: Annotated[list[Name], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    patch: dict[str, Any] | None = None
    pace: Annotated[float, Field(gt=0, le=100_000)] | None = None
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
    dry_run: bool = False

    @field_validator("patch")
    @classmethod
    def _patches(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        fixed = sorted(FIXED & set(given or {}))
        if fixed:
            raise ValueError(f"expected a patch of data and extensions, got {', '.join(fixed)}: they name the event")
        try:
            orjson.dumps(given)
            json.dumps(given, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected a patch that JSON can hold, got one with: {error}") from None
        return given or None

    @model_validator(mode="after")
    def _narrowed(self) -> Self:
        if not self.dead and not (self.since or self.event_ids):
            raise ValueError("expected since or event_ids beside dead=false, got neither: that is the whole log")
        return self


class CancelQuery(Strict):
    """Why a replay is stopped."""

    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)


class DiscardBody(Chosen):
    """Which dead letters a person gives up; `by` is their name."""

    event_ids: Annotated[list[Name], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    by: Name
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
    dry_run: bool = False

    @model_validator(mode="after")
    def _narrowed(self) -> Self:
        if not (self.event_ids or self.sink or self.type or self.since or self.until):
            raise ValueError("expected event_ids, sink, type, since or until, got none: that is every dead letter")
        return self


class CircuitBody(Strict):
    """How a sink's circuits are held: open, closed, or with `auto` not at all; of one lane, or of both."""

    state: Literal["open", "closed", "auto"]
    lane: Literal["priority", "telemetry"] | None = None
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)


class ForgetQuery(Strict):
    """Why a sink is forgotten, and by whom; with `dry_run` it is only told what would be given up."""

    by: Name
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)
    dry_run: bool = False


class HoursQuery(Span):
    """Which hours; the last day where nothing is said."""


class ReconcileBody(Span):
    """Which hours of acceptance are held against the stores, and why; the last two days where nothing is said."""

    reason: Text = Field(NO_REASON, min_length=1, max_length=LONGEST_REASON)
