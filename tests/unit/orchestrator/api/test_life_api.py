"""The stream of an incident's life: in order, resumable, bounded, ended when the incident is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import requests

from orchestrator.api import life
from tests.recovery import failed_event
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    import pytest

    from tests.unit.orchestrator.api.conftest import Served, Server

DATED = ["incident.opened", "release.started", "attempt.recorded", "attempt.ended", "release.ended", "incident.closed"]
STANDING = {"incident.planned", "incident.changed", "dependency.changed"}


def recovered(api: Served, failures: int = 1) -> str:
    """Let an incident run its course, a step a second; gives its id."""
    scene = api.scene
    scene.take_in(*(failed_event(number) for number in range(failures)))
    incident = str(scene.incident.id)
    scene.plan()
    scene.release()
    while scene.incident.closed_at is None:
        scene.later(1)
        scene.answer(scene.release())
    scene.later(1)
    scene.release()
    return incident


def events(api: Served, incident: str, last: str | None = None) -> list[tuple[str, str, dict[str, Any]]]:
    """Read a stream to its end: id, name and data of each event."""
    headers = {"Last-Event-ID": last} if last else {}
    answer = requests.get(f"{api.url}/api/v1/incidents/{incident}/events", headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in answer.text.split("\n\n") if block]
    return [(each["id"], each["event"], json.loads(each["data"])) for each in blocks if "event" in each]


def test_a_life_is_told_in_order_and_ends(api: Served) -> None:
    """Opened, released, each attempt and its end, closed; the stream ends with the incident."""
    told = events(api, recovered(api))
    names = [name for _, name, _ in told if name not in STANDING]
    assert [each for each in DATED if each in names] == DATED
    assert names[:3] == DATED[:3]
    assert "incident.planned" in {name for _, name, _ in told}
    assert next(data for _, name, data in told if name == "attempt.ended")["outcome"] == "succeeded"


def test_a_stream_resumes_behind_the_event_that_was_last(api: Served) -> None:
    """Each id is a place: what came before is not told again, nothing after it is left out."""
    incident = recovered(api, failures=5)
    dated = [(place, name, data) for place, name, data in events(api, incident) if name not in STANDING]
    assert len({place for place, _, _ in dated}) == len(dated)
    for number, (place, _, _) in enumerate(dated):
        again = [each for each in events(api, incident, place) if each[1] not in STANDING]
        assert again == dated[number + 1 :]
    assert [each for each in events(api, incident, "nonsense") if each[1] not in STANDING] == dated


def test_an_open_incident_is_followed(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens while the stream is open is told; in between a comment shows that it lives."""
    monkeypatch.setattr(life, "BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(life, "HEARTBEAT", 0.05)
    api.scene.take_in(failed_event())
    path = f"{api.url}/api/v1/incidents/{api.scene.incident.id}/events"
    api.scene.later(2)
    with requests.get(path, stream=True, timeout=10) as answer:
        lines = answer.iter_lines(decode_unicode=True)
        next(line for line in lines if line == "event: incident.opened")
        next(line for line in lines if line == ": still here")
        api.ask("POST", f"/api/v1/incidents/{api.scene.incident.id}/hold", {"reason": "a deploy"})
        next(line for line in lines if line.startswith("data: ") and '"held_by":"unauthenticated on loopback"' in line)


def test_streams_are_bounded(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than are served is refused with 503 and when to come again; one that ends makes room."""
    monkeypatch.setattr(life, "MOST_STREAMS", 1)
    incident = recovered(api)
    assert events(api, incident)
    api.scene.take_in(failed_event(7, task="app.other"))
    path = f"/api/v1/incidents/{next(each.id for each in api.scene.incidents if each.closed_at is None)}/events"
    with requests.get(f"{api.url}{path}", stream=True, timeout=10) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()  # kept, as it closes the stream when it goes
        assert next(lines)
        problem = api.ask("GET", path)
        refused(problem, 503, "unavailable")
        assert int(problem.headers["Retry-After"]) > 0


def test_the_life_of_nothing_is_not_found(api: Served) -> None:
    """404 for an incident that nobody knows."""
    refused(api.ask("GET", "/api/v1/incidents/00000000-0000-0000-0000-000000000000/events"), 404, "not-found")


def test_streams_end_when_the_server_stops(api: Served, server: Server) -> None:
    """A stream that is open does not keep the server from ending."""
    api.scene.take_in(failed_event())
    path = f"{api.url}/api/v1/incidents/{api.scene.incident.id}/events"
    with requests.get(path, stream=True, timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines)
        server.app.state.streams.stopping = True
        assert list(lines)
