"""Whom and what an event is about, as columns of every log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eventbus.wire import RUDDERSTACK_MESSAGE
from orchestrator.domain.traces import context_of
from orchestrator.warehouse import values
from orchestrator.warehouse.columns import ABOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.events import EventRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The columns that every log has; None where the event does not say."""

    organization_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    workflow_execution_id: str | None = None
    node_id: str | None = None
    request_id: str | None = None
    task_id: str | None = None
    incident_id: str | None = None
    trace_id: str | None = None
    optimizer_version: str | None = None
    policy_version: str | None = None


_NOTHING: Final[Mapping[str, Any]] = {}
_OF_DATA: Final = tuple(name for name in ABOUT if name != "trace_id")


def about_of(
    record: EventRecord,
    data: Mapping[str, Any],
    envelope: Mapping[str, Any],
    carried: Mapping[str, Any] = _NOTHING,
) -> dict[str, Any]:
    """Read them: from the event's data, else from what its message `carried`. Raises Unloadable."""
    if record.type == RUDDERSTACK_MESSAGE:
        # Its data is a message in RudderStack's words, which are not ours.
        return {"user_id": values.text(data, "userId"), "trace_id": record.trace}
    known: dict[str, Any] = {name: values.text(data, name) for name in _OF_DATA if name in data}
    for name, value in carried.items():
        # Anybody may have written a message's headers: what is no text is not taken, and refuses nothing.
        if name in _OF_DATA and known.get(name) is None and isinstance(value, str) and "\0" not in value:
            known[name] = value
    return known | {"trace_id": record.trace or _trace(data, envelope)}


def _trace(data: Mapping[str, Any], envelope: Mapping[str, Any]) -> str | None:
    own, given = values.text(data, "trace_id"), envelope.get("traceparent")
    place = context_of(given) if own is None and isinstance(given, str) else None
    return place.trace_id if place else own
