"""What one model call costs, as a row; and the checks that keep a bad row from stopping the good ones beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestrator.warehouse.schema import LIMIT_USD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from orchestrator.domain.events import EventRecord

MOST: Final = 2**63 - 1


class Unloadable(ValueError):
    """An event that no row can be made of; says which field is wrong."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """One row of `model_cost_logs`, in the order of its columns."""

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


def cost_row(record: EventRecord, data: Mapping[str, Any]) -> CostRow:
    """Make the row of a `redrive.llm.call.v1` event; raises Unloadable."""
    return CostRow(
        id=record.key,
        agent_id=_text(data, "agent_id"),
        workflow_execution_id=_text(data, "workflow_execution_id"),
        node_id=_text(data, "node_id"),
        model=_text(data, "gen_ai.response.model") or _named(data, "gen_ai.request.model"),
        provider=_named(data, "gen_ai.provider.name"),
        tokens_input=_count(data, "gen_ai.usage.input_tokens"),
        tokens_output=_count(data, "gen_ai.usage.output_tokens"),
        usd_cost=_usd(record.price.usd),
        created_at=record.time,
        pricing_status=record.price.status.value,
        pricing_version=record.price.version,
        event_source=record.source,
        organization_id=_text(data, "organization_id"),
        user_id=_text(data, "user_id"),
        request_id=_text(data, "request_id"),
        task_id=_text(data, "task_id"),
    )


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise Unloadable(f"expected text without NUL in {name}, got {value!r}")
    return value


def _named(data: Mapping[str, Any], name: str) -> str:
    value = _text(data, name)
    if not value:
        raise Unloadable(f"expected a name in {name}, got {value!r}")
    return value


def _count(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise Unloadable(f"expected a whole number of at least 0 in {name}, got {value!r}")
    return value


def _usd(amount: Decimal | None) -> Decimal | None:
    if amount is not None and not abs(amount) < LIMIT_USD:
        raise Unloadable(f"expected a cost below {LIMIT_USD} USD, got {amount}")
    return amount
