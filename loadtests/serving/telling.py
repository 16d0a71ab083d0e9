"""What a run found, told on: to the orchestrator as an event, and beside the runs before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from loadtests.history import nights, telling
from loadtests.history.store import History

if TYPE_CHECKING:
    from pathlib import Path

# Takes a report and where people find it; gives {event_id, accepted, why}.
Tell = Callable[[Mapping[str, Any], str], dict[str, Any]]
COMPARED: Final = ("compared_with", "slower", "rule", "why_not", "tests")


def teller(url: str, token: str | None) -> Tell:
    """Give what tells an orchestrator; without a URL it says that there is none."""

    def tell(document: Mapping[str, Any], report_url: str) -> dict[str, Any]:
        if not url:
            why = "expected an orchestrator to tell, got no REDRIVE_API_URL; set it where the service is started"
            return {"event_id": None, "accepted": False, "why": why}
        return asdict(telling.send(document, url, token, report_url))

    return tell


def compared(document: Mapping[str, Any], history: Path) -> dict[str, Any]:
    """Give how a run stands against those before it: the report's own word, else what the history says now."""
    found = document.get("trend") or nights.against(document, History(history))
    return {name: found.get(name) for name in COMPARED}
