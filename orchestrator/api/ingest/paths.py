"""Where events come in."""

from __future__ import annotations

from typing import Final

EVENTS: Final = frozenset({"/v1/events", "/api/v1/events"})
# RudderStack's calls, each with a path of its own; `batch` takes many of any kind.
CALLS: Final = ("alias", "group", "identify", "page", "screen", "track")
BATCH: Final = "/v1/batch"
# Whoever posts here reads plain text: an SDK takes a problem document for a passing fault, and tries again.
SDK: Final = frozenset({BATCH, *(f"/v1/{call}" for call in CALLS)})
EVERY: Final = EVENTS | SDK
