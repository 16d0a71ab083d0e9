"""Events as rows; and the checks that keep a bad row from stopping the good ones beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.wire import GOVERNANCE_RECORDED, LLM_CALL, PROMPT_SIMILARITY, TASK_FAILED
from orchestrator.warehouse import values

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from orchestrator.domain.events import EventRecord


@dataclass(frozen=True, slots=True)
class CostRow:
    """One row of `model_cost_logs`."""

    id: UUID
    agent_id: str | None
    workflow_execution_id: str | None
    node_id: str | None
    model: str
    provider: str
    tokens_input: int
    tokens_output: int
    usd_cost: Decimal | None
    created_at: datetime
    pricing_status: str
    pricing_version: str | None
    event_source: str
    organization_id: str | None
    user_id: str | None
    request_id: str | None
    task_id: str | None
    response_id: str | None
    duration_seconds: float | None


@dataclass(frozen=True, slots=True)
class SimilarityRow:
    """One row of `prompt_sim_logs`."""

    id: UUID
    prompt_hash: str
    similarity_score: float | None
    matched_prompt_hash: str | None
    blocked: bool
    user_id: str | None
    organization_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GovernanceRow:
    """One row of `governance_events`; `details` is JSON."""

    id: UUID
    event_type: str
    policy: str
    action: str
    user_id: str | None
    organization_id: str | None
    details: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row of `event_logs`; `data` is JSON."""

    id: UUID
    type: str
    source: str
    time: datetime
    subject: str | None
    traceparent: str | None
    data: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's row before it is scored, and what it is scored by; `scope` holds prompts that may be compared."""

    row: SimilarityRow
    scope: str
    counts: array[int]


Row = CostRow | SimilarityRow | GovernanceRow | EventRow


def rows_of(record: EventRecord, data: Mapping[str, Any], envelope: Mapping[str, Any]) -> list[Row | Prompt]:
    """Make every row that an event has; raises Unloadable."""
    made: list[Row | Prompt] = [event_row(record, data, envelope)]
    if record.type == LLM_CALL:
        made.append(cost_row(record, data))
    elif record.type == PROMPT_SIMILARITY:
        made.append(prompt_of(record, data))
    elif record.type == GOVERNANCE_RECORDED:
        made.append(governance_row(record, data))
    return made


def cost_row(record: EventRecord, data: Mapping[str, Any]) -> CostRow:
    """Make the row of a `redrive.llm.call.v1` event; raises Unloadable."""
    return CostRow(
        id=record.key,
        agent_id=values.text(data, "agent_id"),
        workflow_execution_id=values.text(data, "workflow_execution_id"),
        node_id=values.text(data, "node_id"),
        model=values.text(data, "gen_ai.response.model") or values.named(data, "gen_ai.request.model"),
        provider=values.named(data, "gen_ai.provider.name"),
        tokens_input=values.count(data, "gen_ai.usage.input_tokens"),
        tokens_output=values.count(data, "gen_ai.usage.output_tokens"),
        usd_cost=values.usd(record.price.usd),
        created_at=record.time,
        pricing_status=record.price.status.value,
        pricing_version=record.price.version,
        event_source=record.source,
        organization_id=values.text(data, "organization_id"),
        user_id=values.text(data, "user_id"),
        request_id=values.text(data, "request_id"),
        task_id=values.text(data, "task_id"),
        response_id=values.text(data, "gen_ai.response.id"),
        duration_seconds=values.seconds(data, "duration_seconds"),
    )


def prompt_of(record: EventRecord, data: Mapping[str, Any]) -> Prompt:
    """Make what a `redrive.prompt.similarity.v1` event is scored and filed by; raises Unloadable."""
    sketch = data.get("sketch")
    if not isinstance(sketch, dict):
        raise values.Unloadable(f"expected an object in sketch, got {type(sketch).__name__}")
    organisation = values.text(data, "organization_id")
    row = SimilarityRow(
        id=record.key,
        prompt_hash=values.hashed(data, "prompt_hash"),
        similarity_score=None,
        matched_prompt_hash=None,
        blocked=values.flag(data, "blocked"),
        user_id=values.text(data, "user_id"),
        organization_id=organisation,
        created_at=record.time,
    )
    scope = orjson.dumps([organisation, values.named(sketch, "key"), values.count(sketch, "gram")]).decode()
    return Prompt(row, scope, values.counts(sketch.get("counts")))


def governance_row(record: EventRecord, data: Mapping[str, Any]) -> GovernanceRow:
    """Make the row of a `redrive.governance.recorded.v1` event; raises Unloadable."""
    details = data.get("details")
    if not isinstance(details, dict):
        raise values.Unloadable(f"expected an object in details, got {type(details).__name__}")
    return GovernanceRow(
        id=record.key,
        event_type=values.named(data, "event_type"),
        policy=values.named(data, "policy"),
        action=values.named(data, "action"),
        user_id=values.text(data, "user_id"),
        organization_id=values.text(data, "organization_id"),
        details=orjson.dumps(details).decode(),
        created_at=record.time,
    )


# What stays in the event log alone: the task's message and what an exception said may hold prompts or secrets.
_AT_HOME: Final = {TASK_FAILED: ("message", "exception"), PROMPT_SIMILARITY: ("sketch",)}


def event_row(record: EventRecord, data: Mapping[str, Any], envelope: Mapping[str, Any]) -> EventRow:
    """Make the row that every event has; raises Unloadable."""
    left_out = _AT_HOME.get(record.type, ())
    kept = {name: value for name, value in data.items() if name not in left_out}
    if record.type == TASK_FAILED and isinstance(data.get("exception"), dict):
        kept["exception"] = {name: data["exception"].get(name) for name in ("type", "status", "retry_after")}
    return EventRow(
        id=record.key,
        type=record.type,
        source=values.text({"source": record.source}, "source") or "",
        time=record.time,
        subject=values.text(envelope, "subject"),
        traceparent=values.text(envelope, "traceparent"),
        data=orjson.dumps(kept).decode(),
    )
