"""Events that user code makes itself: what a model call cost, a prompt's sketch, a span of work, a policy's decision.

    from eventbus.telemetry import context, llm_call
    with context(organization_id="acme", agent_id="planner"):
        llm_call(provider="openai", model="gpt-4o", input_tokens=12, output_tokens=34)

What is wrong is refused where it is made, with TypeError or ValueError naming the field; a dead bus is no error. The
attribute names are OpenTelemetry's, all still 'development' (snapshot of 2026-11).
"""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from celery import signals

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// a URL of the bus
from eventbus import fields, scope, wire
from eventbus.publisher import Publisher
from eventbus.scope import Around
from eventbus.sketch import GRAM, sketch_of
from eventbus.spool import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from celery import Task

log = logging.getLogger(__name__)

BUS_URL: Final = "REDRIVE_BUS_URL"
LONGEST_ERROR: Final = 16_384
LONGEST_PROMPT: Final = 1_000_000

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


def context(**identifiers: str | None) -> Around[None]:
    """Say once what the code within is about: its events, and the tasks that it sends, carry it.

    For `with`, and as a decorator of functions and coroutine functions. `identifiers` are any of agent_id,
    workflow_execution_id, node_id, organization_id, user_id and request_id; None takes one away.
    """
    fields.known(identifiers, _CONTEXT)
    values = {name: fields.optional_text(name, value) for name, value in identifiers.items()}
    return Around(lambda: scope.bound(values))


_CONTEXT: Final = tuple(name for name in wire.IDENTIFIERS if name != "task_id")


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
    **more: str | int | None,
) -> str:
    """Record what one call used, and give the id of its event; the orchestrator prices it.

    `more` are parts of input and output that have prices of their own (cache_read_tokens, output_reasoning_tokens, ...:
    the keys of wire.TOKEN_CLASSES) and identifiers; a part is counted in its whole as well.
    """
    fields.known(more, (*wire.IDENTIFIERS, *wire.TOKEN_CLASSES))
    whole = {
        "gen_ai.usage.input_tokens": fields.tokens("input_tokens", input_tokens),
        "gen_ai.usage.output_tokens": fields.tokens("output_tokens", output_tokens),
    }
    data = {
        "gen_ai.operation.name": fields.text("operation", operation),
        "gen_ai.provider.name": fields.text("provider", provider),
        "gen_ai.request.model": fields.text("model", model),
        "gen_ai.response.model": fields.optional_text("response_model", response_model),
        "gen_ai.response.id": fields.optional_text("response_id", response_id),
        **whole,
        **_parts(more, input_tokens, output_tokens),
        "duration_seconds": fields.seconds("duration_seconds", duration_seconds),
        "error": fields.optional_text("error", error, LONGEST_ERROR),
    }
    return _publish(wire.LLM_CALL, data, {name: more[name] for name in wire.IDENTIFIERS if name in more})


def _parts(given: Mapping[str, Any], input_tokens: int, output_tokens: int) -> dict[str, int]:
    """Check the token classes that were given; none can be more than the whole that it is a part of."""
    parts = {}
    for name, attribute in wire.TOKEN_CLASSES.items():
        if given.get(name) is not None:
            whole = input_tokens if attribute.endswith(".input_tokens") else output_tokens
            parts[attribute] = fields.tokens(name, given[name], whole)
    return parts


def similarity(prompt: str, *, blocked: bool = False, **identifiers: str | None) -> str:
    """Record a prompt's sketch, which near-duplicates share, and give the id of its event.

    The text stays here: what leaves is a keyed hash and 512 counts. `blocked` says that the caller refused the prompt.
    """
    fields.known(identifiers, wire.IDENTIFIERS)
    if not isinstance(prompt, str):
        raise TypeError(f"expected `prompt` as text, got {type(prompt).__name__}")
    if len(prompt) > LONGEST_PROMPT:
        raise ValueError(f"expected `prompt` as text of at most {LONGEST_PROMPT} characters, got {len(prompt)}")
    blocked = fields.flag("blocked", blocked)
    made = sketch_of(prompt)
    counts = {"key": made.key_name, "gram": GRAM, "counts": made.counts}
    data = {"prompt_hash": made.prompt_hash, "blocked": blocked, "sketch": counts}
    return _publish(wire.PROMPT_SIMILARITY, data, identifiers)


def governance(
    event_type: str,
    *,
    policy: str,
    action: str,
    details: Mapping[str, Any] | None = None,
    **identifiers: str | None,
) -> str:
    """Record what a policy decided (`action`: allowed, blocked, redacted, ...), and give the id of its event."""
    fields.known(identifiers, wire.IDENTIFIERS)
    data = {
        "event_type": fields.text("event_type", event_type),
        "policy": fields.text("policy", policy),
        "action": fields.text("action", action),
        "details": fields.json_object("details", {} if details is None else details),
    }
    return _publish(wire.GOVERNANCE_RECORDED, data, identifiers)


class Span:
    """A piece of work under way; `set` adds to what is known of it."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = fields.json_object("attributes", attributes)

    def set(self, **attributes: Any) -> None:
        """Add attributes: JSON values, 64 KiB together."""
        self.attributes = fields.json_object("attributes", {**self.attributes, **attributes})


def span(name: str, **attributes: Any) -> Around[Span]:
    """Time the code within, for `with` and as a decorator; spans nest, also over Celery messages.

    The only event that may be dropped: where memory or disk run short it gives way to the others.
    """
    fields.text("name", name)
    fields.json_object("attributes", attributes)
    return Around(lambda: _timed(name, Span(attributes)))


@contextmanager
def _timed(name: str, running: Span) -> Iterator[Span]:
    _, trace_id, parent_id, _ = (scope.current().get("traceparent") or _NO_PARENT).split("-")
    trace_id, span_id = trace_id or os.urandom(16).hex(), os.urandom(8).hex()
    started_at, began, failed = datetime.now(UTC), time.perf_counter(), None
    with scope.bound({"traceparent": f"00-{trace_id}-{span_id}-01"}):
        try:
            yield running
        except BaseException as error:
            failed = f"{type(error).__module__}.{type(error).__qualname__}"
            raise
        finally:
            data = {
                "name": name,
                "trace_id": trace_id,
                "span_id": span_id,
                "parent_span_id": parent_id or None,
                "started_at": started_at.isoformat(),
                "duration_seconds": time.perf_counter() - began,
                "status": "error" if failed else "ok",
                "error.type": failed,
                "attributes": running.attributes,
            }
            _publish(wire.SPAN_ENDED, data, {}, droppable=True)


_NO_PARENT: Final = "00---01"


def _publish(event_type: str, data: dict[str, Any], given: Mapping[str, Any], *, droppable: bool = False) -> str:
    """Publish what was checked, with the identifiers: those given before those known here."""
    here = scope.current()
    for name in wire.IDENTIFIERS:
        data[name] = fields.optional_text(name, given[name]) if name in given else here.get(name)
    trace = {"traceparent": here["traceparent"]} if "traceparent" in here else {}
    source, now = f"urn:redrive:app:{socket.gethostname()}:{os.getpid()}", datetime.now(UTC)
    event = wire.Event(str(uuid4()), source, event_type, now, data, data["task_id"] or None, extensions=trace)
    if _publisher is None:
        _say_no_bus()
    else:
        _publisher().publish(event, droppable=droppable)
    return event.id


@cache
def _say_no_bus() -> None:
    """Log it, the first time."""
    log.warning("event.dropped: expected install(app) or configure(bus_url=...) before the first event, got neither")


def _on_publish(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Give a message that is being published what is known here; what the caller put there himself stays."""
    carried = scope.outgoing()
    if carried and headers is not None:
        headers.setdefault(wire.CONTEXT_HEADER, carried)


def _on_start(task: Task, task_id: str, **_: Any) -> None:
    """Know, in a run, what its message carried; an eager run knows what its caller knows."""
    request = task.request
    request.redrive_scope = before = scope.current()
    carried = scope.incoming((request.headers or {}).get(wire.CONTEXT_HEADER))
    scope.enter({**before, **carried, "task_id": task_id} if request.is_eager else {**carried, "task_id": task_id})


def _on_end(task: Task, **_: Any) -> None:
    scope.enter(getattr(task.request, "redrive_scope", {}))


signals.before_task_publish.connect(_on_publish, weak=False)
signals.task_prerun.connect(_on_start, weak=False)
signals.task_postrun.connect(_on_end, weak=False)
