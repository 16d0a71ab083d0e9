"""Events that user code makes itself: so far, what a call of a language model used.

The attribute names are OpenTelemetry's for generative AI, all still 'development' (snapshot of 2026-11).
"""

from __future__ import annotations

import logging
import math
import os
import socket
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from celery import current_task

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// a URL of the bus
from eventbus import wire
from eventbus.publisher import Publisher
from eventbus.spool import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

IDENTIFIERS: Final = (
    "agent_id",
    "workflow_execution_id",
    "node_id",
    "organization_id",
    "user_id",
    "request_id",
    "task_id",
)
_LARGEST: Final = 2**63 - 1

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


def llm_call(  # noqa: PLR0913 - each is an attribute of the event, by name only
    *,
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    operation: str = "chat",
    response_model: str | None = None,
    response_id: str | None = None,
    duration_seconds: float | None = None,
    error: str | None = None,
    **identifiers: str | None,
) -> str:
    """Record what one call used, and give the id of its event; the orchestrator prices it.

    `identifiers` are any of agent_id, workflow_execution_id, node_id, organization_id, user_id, request_id and task_id;
    inside a task its id is filled in. Raises TypeError and ValueError for what can't be: a dead bus is no error.
    """
    unknown = identifiers.keys() - set(IDENTIFIERS)
    if unknown:
        raise TypeError(f"expected of {', '.join(IDENTIFIERS)}; got {', '.join(sorted(unknown))}")
    identifiers.setdefault("task_id", _current_task_id())
    data: dict[str, Any] = {
        "gen_ai.operation.name": _text("operation", operation),
        "gen_ai.provider.name": _text("provider", provider),
        "gen_ai.request.model": _text("model", model),
        "gen_ai.response.model": _optional_text("response_model", response_model),
        "gen_ai.response.id": _optional_text("response_id", response_id),
        "gen_ai.usage.input_tokens": _tokens("input_tokens", input_tokens),
        "gen_ai.usage.output_tokens": _tokens("output_tokens", output_tokens),
        "duration_seconds": _seconds("duration_seconds", duration_seconds),
        "error": _optional_text("error", error),
        **{name: _optional_text(name, identifiers.get(name)) for name in IDENTIFIERS},
    }
    return _publish(wire.LLM_CALL, data)


def _publish(event_type: str, data: dict[str, Any]) -> str:
    source = f"urn:redrive:app:{socket.gethostname()}:{os.getpid()}"
    event = wire.Event(str(uuid4()), source, event_type, datetime.now(UTC), data, subject=data["task_id"] or None)
    if _publisher is None:
        _say_no_bus()
    else:
        _publisher().publish(event)
    return event.id


@cache
def _say_no_bus() -> None:
    """Log it, the first time."""
    log.warning("event.dropped: expected install(app) or configure(bus_url=...) before the first event, got neither")


def _current_task_id() -> str | None:
    return current_task.request.id if current_task else None


def _text(name: str, value: object) -> str:
    text = _optional_text(name, value)
    if not text:
        raise ValueError(f"expected `{name}` as text that is not empty, got {value!r}")
    return text


def _optional_text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"expected `{name}` as text or None, got {type(value).__name__}")


def _tokens(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected `{name}` as a whole number, got {type(value).__name__}")
    if not 0 <= value <= _LARGEST:
        raise ValueError(f"expected `{name}` from 0 to {_LARGEST}, got {value}")
    return value


def _seconds(name: str, value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"expected `{name}` as a number of seconds, got {type(value).__name__}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"expected `{name}` as a finite number of seconds, 0 or more, got {value}")
    return float(value)
