"""Spans of user code: pieces of work, timed."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from eventbus import fields, scope, wire
from eventbus.recording import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Span:
    """A piece of work under way; `set` adds to what is known of it."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = fields.json_object("attributes", attributes)

    def set(self, **attributes: Any) -> None:
        """Add attributes: JSON values, 64 KiB together."""
        self.attributes = fields.json_object("attributes", {**self.attributes, **attributes})


@contextmanager
def timed(name: str, running: Span) -> Iterator[Span]:
    """Time the code within, under its own span, and record it when it ends."""
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
            record(wire.SPAN_ENDED, data, {}, droppable=True)


_NO_PARENT: Final = "00---01"
