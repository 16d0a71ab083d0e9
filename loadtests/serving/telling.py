"""What a run found, told on: to the orchestrator as an event, and beside the runs before it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# Takes a report; gives {event_id, accepted, why}.
Tell = Callable[[Mapping[str, Any]], dict[str, Any]]


def teller(url: str, token: str | None) -> Tell:
    """Give what tells an orchestrator; without a URL it says that there is none."""

    def tell(document: Mapping[str, Any]) -> dict[str, Any]:
        if not url:
            return {"event_id": None, "accepted": False, "why": "no REDRIVE_API_URL; set it where the service starts"}
        told = importlib.import_module("loadtests.history.telling").send(document, url, token)
        return {"event_id": told.event_id, "accepted": told.accepted, "why": told.why}

    return tell


def compared(document: Mapping[str, Any], history: Path) -> dict[str, Any]:
    """Give how a run stands against those before it: the report's own word, else what the history says now."""
    found = document.get("trend") or _against(document, history)
    names = ("compared_with", "slower", "rule", "least", "why_not", "tests")
    return {name: found.get(name) for name in names}


def _against(document: Mapping[str, Any], history: Path) -> Mapping[str, Any]:
    store = importlib.import_module("loadtests.history.store").History(history)
    found: Mapping[str, Any] = importlib.import_module("loadtests.history.nights").against(document, store)
    return found
