"""Ways into the orchestrator, each of which tells what it has a receipt for: the bus, and the API."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

import requests

import eventbus.transport  # noqa: F401 - registers the server-less bus
from eventbus import topology, wire
from eventbus.bus import Bus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

SOURCE: Final = "urn:redrive:loadtests"
ANSWER_SECONDS: Final = 30
# Some are new, or all were there already.
ON_DISK: Final = frozenset({200, 202})
IDENTIFIERS: Final[Mapping[str, Any]] = {
    "agent_id": "planner",
    "workflow_execution_id": "w-1",
    "node_id": "n-1",
    "organization_id": "acme",
    "user_id": None,
    "request_id": "r-1",
    "task_id": "t-1",
}
CALL: Final = {
    **IDENTIFIERS,
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": None,
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 50,
    "duration_seconds": 1.5,
    "error": None,
}
GOVERNED: Final = {
    **IDENTIFIERS,
    "event_type": "budget",
    "policy": "daily-budget",
    "action": "allowed",
    "details": {"spent": "1.25"},
}
SPAN: Final[Mapping[str, Any]] = {
    **IDENTIFIERS,
    "name": "rank",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": "b7ad6b7169203331",
    "parent_span_id": None,
    "started_at": "2026-01-01T00:00:00+00:00",
    "duration_seconds": 0.5,
    "status": "ok",
    "error.type": None,
    "attributes": {},
}
# One of each lane, and both that have a table of their own in the warehouse.
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    wire.LLM_CALL: CALL,
    wire.GOVERNANCE_RECORDED: GOVERNED,
    wire.SPAN_ENDED: SPAN,
}


class Way(Protocol):
    """A way in."""

    def put(self, events: Sequence[wire.Event]) -> None:
        """Hand events over; returns once there is a receipt for each of them, else raises whatever went wrong."""


class ByBus:
    """Onto the bus: the receipt is the broker's confirm."""

    def __init__(self, url: str) -> None:
        self._bus = Bus(url)

    def put(self, events: Sequence[wire.Event]) -> None:
        """Publish, one message for each queue."""
        queues: defaultdict[str, list[bytes]] = defaultdict(list)
        for event in events:
            queues[topology.routing_key_of(event.type)].append(wire.encode_one(event))
        for key, bodies in queues.items():
            self._bus.send(key, wire.join(bodies))


class ByApi:
    """By `POST /v1/events`: the receipt is an answer that says that all of them are on disk."""

    def __init__(self, api: str) -> None:
        self._url = f"{api}/v1/events"

    def put(self, events: Sequence[wire.Event]) -> None:
        """Post them as one batch."""
        answer = requests.post(
            self._url, wire.encode(events), headers={"Content-Type": wire.CONTENT_TYPE}, timeout=ANSWER_SECONDS
        )
        if answer.status_code not in ON_DISK:
            raise RuntimeError(f"expected all of them on disk, got {answer.status_code}: {answer.text[:500]}")


def make(dice: Random, kind: str) -> wire.Event:
    """Make an event of that type with an id that no other one has."""
    return wire.Event(identity(dice), SOURCE, kind, datetime.now(UTC), KINDS[kind])


def identity(dice: Random) -> str:
    """Make an id that no other event has, the same for the same dice."""
    return str(UUID(int=dice.getrandbits(128), version=4))


def make_some(dice: Random, number: int) -> list[wire.Event]:
    """Make events of all kinds."""
    return [make(dice, dice.choice(sorted(KINDS))) for _ in range(number)]
