"""A run as an event, told to an orchestrator: it reaches warehouse and RudderStack as every event does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

import requests

from eventbus.wire import LOADTEST_COMPLETED, Event, encode_one

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE: Final = "urn:redrive:loadtests"
HEADERS: Final = {"Content-Type": "application/cloudevents+json"}
TIMEOUT: Final = (5.0, 30.0)  # seconds to connect, to be answered
# It is on disk there: now, or since it was told before.
ON_DISK: Final = frozenset({200, 202})
MOST_WORDS: Final = 300
OF_A_GATE: Final = ("figure", "met", "value", "rule", "limit", "why")
OF_A_FIGURE: Final = ("value", "unit", "low", "high", "samples", "why_not")
AS_IT_IS: Final = (
    "run_id",
    "scenario",
    "engines",
    "started_at",
    "ended_at",
    "seconds",
    "commit",
    "dirty",
    "machine",
    "versions",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of telling it: `why` says what kept it from being accepted."""

    event_id: str
    accepted: bool
    why: str | None = None


def send(document: Mapping[str, Any], url: str, token: str | None = None, report_url: str | None = None) -> Told:
    """Tell an orchestrator at `url` of a run by `POST /v1/events`; telling it twice stores it once.

    Raises nothing for an orchestrator that is away or refuses: the answer says it, and the run stands.
    """
    event = event_of(document, report_url)
    headers = HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
    address = f"{url.rstrip('/')}/v1/events"
    try:
        answer = requests.post(address, encode_one(event), headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        return Told(event.id, accepted=False, why=f"expected an answer of {address}, got {_brief(str(error))}")
    if answer.status_code in ON_DISK:
        return Told(event.id, accepted=True)
    return Told(
        event.id, accepted=False, why=f"expected 202 of {address}, got {answer.status_code}: {_brief(answer.text)}"
    )


def event_of(document: Mapping[str, Any], report_url: str | None = None) -> Event:
    """Make the event of a run's report; its id is made of the run's, so that it stays one event."""
    run_id, verdict = document["run_id"], document["verdict"]
    settings, trend = document.get("settings") or {}, document.get("trend") or {}
    data = {name: document.get(name) for name in AS_IT_IS} | {
        "outcome": verdict["outcome"],
        "exit_code": verdict["exit_code"],
        "seed": settings.get("seed"),
        "sabotage": settings.get("sabotage"),
        "control": document.get("control") or {},
        "gates": [{name: each.get(name) for name in OF_A_GATE} for each in verdict["gates"]],
        "figures": {each["name"]: {name: each.get(name) for name in OF_A_FIGURE} for each in document["figures"]},
        "slower": list(trend.get("slower") or ()),
        "problems": list(document.get("problems") or ()),
        "report_url": report_url,
    }
    ended = datetime.fromisoformat(document["ended_at"])
    return Event(str(uuid5(NAMESPACE_URL, f"{SOURCE}#{run_id}")), SOURCE, LOADTEST_COMPLETED, ended, data)


def _brief(text: str) -> str:
    return text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS]}..."
