"""Events as the log holds them, for tests."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from eventbus.wire import LLM_CALL, OWN_TYPES, Event, encode_one, from_mapping
from orchestrator.domain.events import NO_PRICE, EventRecord, Price, PricingStatus, StoredEvent, row_key
from orchestrator.domain.routing import lane_of

if TYPE_CHECKING:
    from orchestrator.domain.events import Lane

NOON = datetime(2025, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
PRICED = Price(PricingStatus.PRICED, Decimal("0.0007500000"), "genai-prices 0.0.0")
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": None,
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 50,
    "duration_seconds": 1.5,
    "error": None,
    "agent_id": "planner",
    "workflow_execution_id": "w-1",
    "node_id": "n-1",
    "organization_id": "acme",
    "user_id": None,
    "request_id": "r-1",
    "task_id": "t-1",
}


def event(event_type: str = LLM_CALL, data: dict[str, Any] | None = None, event_id: str | None = None) -> Event:
    """Make an event; a model call unless told otherwise."""
    return Event(
        id=event_id or str(uuid4()),
        source="urn:redrive:test",
        type=event_type,
        time=NOON,
        data=CALL if data is None else data,
    )


def record(
    made: Event | None = None, *, lane: Lane | None = None, price: Price | None = None, **marks: Any
) -> EventRecord:
    """Make a record of an event, a priced model call unless told otherwise; `marks` are what routing goes by."""
    made = made or event()
    usual = PRICED if made.type == LLM_CALL else NO_PRICE
    return EventRecord(
        key=row_key(made.source, made.id),
        id=made.id,
        source=made.source,
        type=made.type,
        time=made.time,
        lane=lane or lane_of(made.type),
        body=encode_one(made),
        price=price or usual,
        **marks,
    )


def stored(*records: EventRecord, first: int = 1) -> list[StoredEvent]:
    """Number records as a log would."""
    return [StoredEvent(number, each, NOON) for number, each in enumerate(records, start=first)]


def own_samples() -> list[Event]:
    """Give one right event at least of each type that the orchestrator alone makes, as somebody else may forge it."""
    folder = Path(__file__).parent / "unit/eventbus/samples"
    samples = [from_mapping(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    found = [replace(each, id=str(uuid4()), source="urn:x") for each in samples if each.type in OWN_TYPES]
    assert {each.type for each in found} == OWN_TYPES
    return found
