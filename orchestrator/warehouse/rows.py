"""Events as rows; and the checks that keep a bad row from stopping the good ones beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.wire import GOVERNANCE_RECORDED, LLM_CALL, PROMPT_SIMILARITY, TASK_FAILED, TOKEN_CLASSES
from orchestrator.warehouse import values
from orchestrator.warehouse.audit import AuditRow, audit_of
from orchestrator.warehouse.identifiers import About, about_of
from orchestrator.warehouse.loadtests import LoadtestRow, loadtest_of
from orchestrator.warehouse.runs import RunRow, run_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from orchestrator.domain.events import EventRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow(About):
    """One row of `model_cost_logs`."""

    id: UUID
    model: str
    provider: str
    tokens_input: int
    tokens_output: int
    usd_cost: Decimal | None
    created_at: datetime
    pricing_status: str
    pricing_version: str | None
    event_source: str
    response_id: str | None
    duration_seconds: float | None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    cache_audio_read_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    input_tool_tokens: int | None = None
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None
    output_reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityRow(About):
    """One row of `prompt_sim_logs`."""

    id: UUID
    prompt_hash: str
    similarity_score: float | None
    matched_prompt_hash: str | None
    blocked: bool
    created_at: datetime
    embedder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernanceRow(About):
    """One row of `governance_events`; `details` is JSON."""

    id: UUID
    event_type: str
    policy: str
    action: str
    details: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow(About):
    """One row of `event_logs`; `data` is JSON."""

    id: UUID
    type: str
    source: str
    time: datetime
    subject: str | None
    traceparent: str | None
    data: str
    usd_cost: Decimal | None = None
    similarity_score: float | None = None
    policy: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's row before it is scored, and what it is scored by; `scope` holds sketches that may be compared.

    `row.embedder` names what made the vector, where there is one.
    """

    row: SimilarityRow
    scope: str
    counts: array[int]
    vector: array[float] | None = None


Row = CostRow | SimilarityRow | GovernanceRow | EventRow | RunRow | AuditRow | LoadtestRow


def rows_of(record: EventRecord, data: Mapping[str, Any], envelope: Mapping[str, Any]) -> list[Row | Prompt]:
    """Make every row that an event has; raises Unloadable."""
    about = about_of(record, data, envelope)
    made: list[Row | Prompt] = [event_row(record, data, envelope, about)]
    if record.type == LLM_CALL:
        made.append(cost_row(record, data, about))
    elif record.type == PROMPT_SIMILARITY:
        made.append(prompt_of(record, data, about))
    elif record.type == GOVERNANCE_RECORDED:
        made.append(governance_row(record, data, about))
    others = (run_of(record, data, envelope), audit_of(record, data, about), loadtest_of(record, data, about))
    return made + [each for each in others if each is not None]


def cost_row(record: EventRecord, data: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> CostRow:
    """Make the row of a `redrive.llm.call.v1` event; raises Unloadable."""
    parts: dict[str, Any] = {
        name: values.number(data, told, values.MOST_TOKENS) for name, told in TOKEN_CLASSES.items() if told in data
    }
    return CostRow(
        id=record.key,
        model=values.text(data, "gen_ai.response.model") or values.named(data, "gen_ai.request.model"),
        provider=values.named(data, "gen_ai.provider.name"),
        tokens_input=values.count(data, "gen_ai.usage.input_tokens", values.MOST_TOKENS),
        tokens_output=values.count(data, "gen_ai.usage.output_tokens", values.MOST_TOKENS),
        usd_cost=values.usd(record.price.usd),
        created_at=values.instant(record.time, "time"),
        pricing_status=record.price.status.value,
        pricing_version=record.price.version,
        event_source=record.source,
        response_id=values.text(data, "gen_ai.response.id"),
        duration_seconds=values.seconds(data, "duration_seconds"),
        **parts,
        **(about_of(record, data, {}) if about is None else about),
    )


def prompt_of(record: EventRecord, data: Mapping[str, Any], about: Mapping[str, Any]) -> Prompt:
    """Make what a `redrive.prompt.similarity.v1` event is scored and filed by; raises Unloadable."""
    sketch = data.get("sketch")
    if not isinstance(sketch, dict):
        raise values.Unloadable("sketch", f"expected an object in sketch, got {type(sketch).__name__}")
    row = SimilarityRow(
        id=record.key,
        prompt_hash=values.hashed(data, "prompt_hash"),
        similarity_score=None,
        matched_prompt_hash=None,
        blocked=values.flag(data, "blocked"),
        created_at=values.instant(record.time, "time"),
        **about,
    )
    scope = [row.organization_id, values.named(sketch, "key"), values.count(sketch, "gram")]
    made = Prompt(row, orjson.dumps(scope).decode(), values.counts(sketch.get("counts")))
    return _with_vector(made, data.get("embedding"))


def _with_vector(prompt: Prompt, embedding: object) -> Prompt:
    """Take an embedder's vector, unless there is none or the embedder failed."""
    if embedding is None:
        return prompt
    if not isinstance(embedding, dict):
        raise values.Unloadable("embedding", f"expected an object in embedding, got {type(embedding).__name__}")
    if embedding.get("vector") is None:
        return prompt
    row = replace(prompt.row, embedder=values.named(embedding, "embedder"))
    return replace(prompt, row=row, vector=values.vector(embedding["vector"]))


def governance_row(record: EventRecord, data: Mapping[str, Any], about: Mapping[str, Any]) -> GovernanceRow:
    """Make the row of a `redrive.governance.recorded.v1` event; raises Unloadable."""
    details = data.get("details")
    if not isinstance(details, dict):
        raise values.Unloadable("details", f"expected an object in details, got {type(details).__name__}")
    return GovernanceRow(
        id=record.key,
        event_type=values.named(data, "event_type"),
        policy=values.named(data, "policy"),
        action=values.named(data, "action"),
        details=orjson.dumps(details).decode(),
        created_at=values.instant(record.time, "time"),
        **about,
    )


# What stays in the event log alone: the task's message and what an exception said may hold prompts or secrets.
_AT_HOME: Final = {TASK_FAILED: ("message", "exception"), PROMPT_SIMILARITY: ("sketch", "embedding")}
_TOLD_OF_A_VECTOR: Final = frozenset({"embedder", "failed"})


def event_row(
    record: EventRecord, data: Mapping[str, Any], envelope: Mapping[str, Any], about: Mapping[str, Any]
) -> EventRow:
    """Make the row that every event has; raises Unloadable."""
    decided = record.type == GOVERNANCE_RECORDED
    return EventRow(
        id=record.key,
        type=record.type,
        source=values.text({"source": record.source}, "source") or "",
        time=values.instant(record.time, "time"),
        subject=values.text(envelope, "subject"),
        traceparent=values.text(envelope, "traceparent"),
        data=orjson.dumps(_kept(record.type, data)).decode(),
        usd_cost=values.usd(record.price.usd),
        policy=values.text(data, "policy") if decided else None,
        action=values.text(data, "action") if decided else None,
        **about,
    )


def _kept(event_type: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    left_out = _AT_HOME.get(event_type)
    if left_out is None:
        return data
    kept = {name: value for name, value in data.items() if name not in left_out}
    if isinstance(data.get("embedding"), dict) and event_type == PROMPT_SIMILARITY:
        kept["embedding"] = {name: value for name, value in data["embedding"].items() if name in _TOLD_OF_A_VECTOR}
    if event_type == TASK_FAILED and isinstance(data.get("exception"), dict):
        kept["exception"] = {name: data["exception"].get(name) for name in ("type", "status", "retry_after")}
    return kept
