"""A model call as a span, in OpenTelemetry's GenAI attribute names (development status, snapshot of 2026-11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.traces import SpanContext, span_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.events import Price

GEN_AI: Final = "gen_ai."
WHOSE: Final = ("agent_id", "workflow_execution_id", "node_id", "organization_id", "request_id", "task_id")
Attributes = dict[str, str | int | float | bool]


def name_of(data: Mapping[str, Any]) -> str:
    """Name the span of a call as the conventions have it: operation and model."""
    return f"{data['gen_ai.operation.name']} {data['gen_ai.request.model']}"


def own_context(envelope: Mapping[str, Any], place: SpanContext) -> SpanContext:
    """Place the span of a call in its trace: the same call told twice is one span."""
    return SpanContext(place.trace_id, span_id("call", envelope["source"], envelope["id"]))


def began(data: Mapping[str, Any], ended: datetime) -> datetime:
    """Tell when a call began that ended then; at once where nobody measured it."""
    return ended - timedelta(seconds=data.get("duration_seconds") or 0)


def attributes_of(data: Mapping[str, Any]) -> Attributes:
    """Give what the conventions name, and whose call it was."""
    told: Attributes = {
        key: each for key, each in data.items() if key.startswith(GEN_AI) and isinstance(each, str | int | float)
    }
    told |= {f"redrive.{key}": data[key] for key in WHOSE if data.get(key) is not None}
    if data.get("user_id") is not None:
        told["user.id"] = data["user_id"]
    if data.get("error") is not None:
        told["error.type"] = data["error"]
    return told


def cost_of(price: Price) -> Attributes:
    """Give the cost, which is none where the price is not known, never 0."""
    if price.usd is None:
        return {}
    return {"gen_ai.usage.cost.amount": float(price.usd), "gen_ai.usage.cost.currency": "USD"}
