"""What a run left behind outside of its processes: ledger, event log, sinks, and StackStorm's executions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests

from loadtests.stores import id_text, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ASK_SECONDS: Final = 30.0
PAGE: Final = 100
WAREHOUSE, RUDDERSTACK = "warehouse", "rudderstack"
ATTEMPTS: Final = (
    "SELECT id, failure_id, task_id, release_id, number, turn, plan, state, duplicates, recorded_at, published_at,"
    " ended_at FROM attempts"
)
FAILURES: Final = (
    "SELECT id, incident_id, task_id, task, state, kind, attempts, attempt_id, captured, occurred_at, closed_at,"
    " reason FROM failures"
)
# Whom an event is about stands in its body alone: of a worker's event, the task's id.
SUBJECTS: Final = {
    "sqlite": "json_extract(CAST(body AS TEXT), '$.subject')",
    # PostgreSQL reads no JSON that holds a zero character, which a traceback may
    "postgresql": r"replace(convert_from(body, 'UTF8'), '\u0000', '\ufffd')::json ->> 'subject'",
}
STORED: Final = "SELECT id FROM event_logs"
COSTS: Final = "SELECT id, task_id, tokens_input, tokens_output, response_id FROM model_cost_logs"
MESSAGES: Final = "SELECT message_id AS id FROM messages"


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look: URLs of the orchestrator's databases, of what the data plane keeps, and of StackStorm."""

    ledger: str
    eventlog: str
    warehouse: str
    data_plane: str
    stackstorm: str


@dataclass(frozen=True, slots=True)
class Left:
    """What was found there, in the shapes of the Evidence."""

    attempts: Sequence[Mapping[str, Any]]
    failures: Sequence[Mapping[str, Any]]
    releases: Sequence[Mapping[str, Any]]
    settles: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    stored: Mapping[str, Sequence[str]]
    costs: Sequence[Mapping[str, Any]]

    @property
    def accepted(self) -> list[str]:
        """Give the key of every event in the log: under it the sinks know the event."""
        return [each["key"] for each in self.events]

    @property
    def settled(self) -> dict[str, int]:
        """Add up what the `settle` executions put out."""
        names = ("first_attempts", "first_successes")
        sums = {name: sum(int(each.get(name) or 0) for each in self.settles) for name in names}
        return {"executions": len(self.settles), **sums}


def collect(places: Places, ask: Callable[[str], dict[str, Any]]) -> Left:
    """Read all of it; raises requests' errors and the databases'."""
    return Left(
        attempts=_with_ids(rows(places.ledger, ATTEMPTS)),
        failures=_with_ids(rows(places.ledger, FAILURES)),
        releases=releases(ask),
        settles=settles(places.stackstorm),
        events=events(places.eventlog),
        stored={
            WAREHOUSE: _ids(rows(places.warehouse, STORED)),
            RUDDERSTACK: _ids(rows(places.data_plane, MESSAGES)),
        },
        costs=_with_ids(rows(places.warehouse, COSTS)),
    )


def events(url: str) -> list[dict[str, Any]]:
    """Give every event of the log, without its body: key, id, type, source and subject."""
    subject = SUBJECTS[urlsplit(url).scheme.partition("+")[0]]
    found = rows(url, f"SELECT key, id, type, source, {subject} AS subject FROM events")  # noqa: S608 - one of ours
    return [each | {"key": id_text(each["key"])} for each in found]


def releases(ask: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every release of every incident, with its counts."""
    incidents = ask("/api/v1/incidents?limit=1000")["incidents"]
    return [release for each in incidents for release in ask(f"/api/v1/incidents/{each['id']}")["releases"]]


def settles(stackstorm: str) -> list[dict[str, Any]]:
    """Give the output of each `settle` execution that has ended and its `status`, in the order they began in."""
    found: dict[str, dict[str, Any]] = {}
    while page := _executions(stackstorm, len(found)):
        known = len(found)
        found |= {each["id"]: each for each in page}
        if len(page) < PAGE or len(found) == known:
            break
    ended = [each for each in found.values() if "end_timestamp" in each]
    return [((each.get("result") or {}).get("output") or {}) | {"status": each["status"]} for each in ended]


def _executions(stackstorm: str, offset: int) -> list[dict[str, Any]]:
    wanted = {"action": "redrive.settle", "limit": str(PAGE), "offset": str(offset), "sort_asc": "true"}
    answer = requests.get(f"{stackstorm}/v1/executions", params=wanted, timeout=ASK_SECONDS)
    answer.raise_for_status()
    return list(answer.json())


def _with_ids(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write ids as text with dashes: SQLite keeps some as hexadecimal digits alone."""
    return [{name: id_text(value) if name.endswith("id") else value for name, value in each.items()} for each in found]


def _ids(found: list[dict[str, Any]]) -> list[str]:
    return [str(id_text(each["id"])) for each in found]
