"""Recording an event of user code: its identifiers, its trace, and the publisher that takes it."""

from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// a URL of the bus
from eventbus import fields, scope, wire
from eventbus.event_ids import event_id
from eventbus.publisher import Publisher
from eventbus.spool import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

BUS_URL: Final = "REDRIVE_BUS_URL"

_publisher: Callable[[], Publisher] | None = None


def use(publisher: Callable[[], Publisher]) -> None:
    """Publish through this from now on; `install` calls it."""
    global _publisher  # noqa: PLW0603 - user code calls `llm_call` from anywhere, with no object at hand
    _publisher = publisher


def configure(*, bus_url: str | None = None, spool_dir: str | Path | None = None) -> None:
    """Publish from a process that runs no Celery worker; `bus_url` is REDRIVE_BUS_URL by default."""
    url = bus_url or os.environ.get(BUS_URL)
    if not url:
        raise ValueError(f"expected the URL of the bus in bus_url or in {BUS_URL}, got neither")
    publisher = Publisher(url, folder_of(spool_dir))
    use(lambda: publisher)


def record(event_type: str, data: dict[str, Any], given: Mapping[str, Any], *, droppable: bool = False) -> str:
    """Publish what was checked, with the identifiers: those given before those known here."""
    here = scope.current()
    for name in wire.IDENTIFIERS:
        data[name] = fields.optional_text(name, given[name]) if name in given else here.get(name)
    trace = {"traceparent": here["traceparent"]} if "traceparent" in here else {}
    source, now = f"urn:redrive:app:{socket.gethostname()}:{os.getpid()}", datetime.now(UTC)
    event = wire.Event(event_id(), source, event_type, now, data, data["task_id"] or None, extensions=trace)
    if _publisher is None:
        _say_no_bus()
    else:
        _publisher().publish(event, droppable=droppable)
    return event.id


@cache
def _say_no_bus() -> None:
    """Log it, the first time."""
    log.warning("event.dropped: expected install(app) or configure(bus_url=...) before the first event, got neither")
