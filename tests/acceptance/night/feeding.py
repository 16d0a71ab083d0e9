"""More failures than a machine cares to run: events that the plugin captured, copied for further tasks.

Each copy is of a task of its own, with a message of its own that a worker can run; only its first run never was.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlalchemy import select

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// known to kombu
from eventbus import wire
from eventbus.publisher import Publisher
from orchestrator.eventlog.schema import STORE, events

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CONFIRM_SECONDS: Final = 600.0


def captured(eventlog: str) -> dict[str, wire.Event]:
    """Give one failure event of each task, as the plugin captured it and the event log has it."""
    engine = STORE.open(eventlog)
    with engine.connect() as rows:
        bodies = rows.scalars(select(events.c.body).where(events.c.type == wire.TASK_FAILED)).all()
    engine.dispose()
    found = (wire.from_mapping(json.loads(each)) for each in bodies)
    return {str(event.data["task"]): event for event in found}


def feed(bus: str, spool: Path, patterns: Mapping[str, wire.Event], wanted: Counter[str], first: int) -> None:
    """Publish so many copies of each task's event, and wait until the bus has confirmed all of them."""
    publisher = Publisher(bus, spool)
    for event in _copies(patterns, wanted, first):
        publisher.publish(event)
    confirmed = publisher.flush(CONFIRM_SECONDS)
    counts = publisher.counts
    publisher.close()
    assert confirmed, f"expected every event to be confirmed, got {counts}"
    assert counts.dropped == 0, counts


def _copies(patterns: Mapping[str, wire.Event], wanted: Counter[str], first: int) -> Iterator[wire.Event]:
    number = first
    for task, many in wanted.items():
        for _ in range(many):
            yield copy(patterns[task], number)
            number += 1


def copy(event: wire.Event, number: int) -> wire.Event:
    """Make the event of another task of the same name, called with this number."""
    task_id, old = str(uuid4()), event.data
    body: list[Any] = json.loads(b64decode(old["message"]["body"]))
    former, body[0] = body[0][0], [number]
    text = json.dumps(old).replace(str(old["task_id"]), task_id).replace(str(former), str(number))
    now = datetime.now(UTC)
    data: dict[str, Any] = json.loads(text)
    data["message"]["body"] = b64encode(json.dumps(body).encode()).decode()
    data |= {"failure_id": str(wire.failure_id(task_id, 0, None)), "occurred_at": now.isoformat()}
    return wire.Event(str(uuid4()), event.source, wire.TASK_FAILED, now, data, subject=task_id)
