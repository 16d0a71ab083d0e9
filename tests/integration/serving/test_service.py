"""The load tests' service over HTTP, with runs that are processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from loadtests.serving.desk import Run
from loadtests.serving.service import create_app
from tests.integration.serving.desks import ended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.serving.desk import Desk

LOCAL = "http://127.0.0.1"


@pytest.fixture
def told() -> list[Mapping[str, Any]]:
    """The reports that were told on; the orchestrator is away as long as it holds `away`."""
    return []


@pytest.fixture
def client(desk: Desk, told: list[Mapping[str, Any]]) -> TestClient:
    """A client on this machine."""

    def tell(document: Mapping[str, Any], report_url: str) -> dict[str, Any]:
        assert report_url == f"{LOCAL}/runs/{document['run_id']}/report.html"
        told.append(document)
        accepted = len(told) > 1
        return {"event_id": "e", "accepted": accepted, "why": None if accepted else "connection refused"}

    return TestClient(create_app(desk, "", tell), base_url=LOCAL)


def body(scenario: str = "passes", key: str = "k", **more: Any) -> dict[str, Any]:
    """Ask for a run."""
    return {"scenario": scenario, "idempotency_key": key, **more}


def test_a_run_is_accepted_shown_and_reported(client: TestClient, desk: Desk) -> None:
    """202 with its place; at its end the verdict, and links to its reports, which are safe to look at."""
    answer = client.post("/runs", json=body())
    assert (answer.status_code, answer.json()["state"], answer.json()["verdict"]) == (202, "running", None)
    ended(desk, answer.json()["id"])
    shown = client.get(answer.headers["Location"]).json()
    assert (shown["state"], shown["verdict"], shown["exit_code"], shown["gates"]) == ("ended", "passed", 0, [])
    assert set(shown["links"]) == {"report.html", "report.json"}
    page = client.get(shown["links"]["report.html"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get(f"/runs/{shown['id']}/report.md").status_code == 404
    assert client.get(f"/runs/{shown['id']}/log.txt").text == "playing passes\n"
    assert [each["id"] for each in client.get("/runs").json()["runs"]] == [shown["id"]]


def test_a_run_beside_another_is_a_conflict_that_names_it(client: TestClient, desk: Desk) -> None:
    """409; the same key again is 200 and the same run; DELETE stops it, 202, and once it has ended changes nothing."""
    first = client.post("/runs", json=body("sleeps")).json()["id"]
    answer = client.post("/runs", json=body(key="other"))
    assert (answer.status_code, answer.json()["going"]) == (409, first)
    assert answer.headers["content-type"] == "application/problem+json"
    again = client.post("/runs", json=body("sleeps"))
    assert (again.status_code, again.json()["id"]) == (200, first)
    assert client.post("/runs", json=body("misses")).status_code == 422
    assert client.delete(f"/runs/{first}").status_code == 202
    ended(desk, first)
    gone = client.delete(f"/runs/{first}")
    assert (gone.status_code, gone.json()["state"], gone.json()["verdict"]) == (200, "stopped", "not_measured")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"scenario": "../../etc/passwd"}, "body.scenario"),
        ({"scenario": "--help"}, "body.scenario"),
        ({"idempotency_key": ""}, "body.idempotency_key"),
        ({"engines": "imaginary"}, "body.engines"),
        ({"timeout_seconds": 0}, "body.timeout_seconds"),
        ({"unknown": 1}, "body.unknown"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(client: TestClient, wrong: dict[str, Any], field: str) -> None:
    """422, naming the field and repeating nothing that came."""
    answer = client.post("/runs", json=body() | wrong)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert "passwd" not in answer.text


@pytest.mark.parametrize("path", ["", "/comparison", "/report.html"])
def test_a_run_that_is_not_known_is_not_found(client: TestClient, path: str) -> None:
    """404, also where a path would lead out of the folder."""
    assert client.get(f"/runs/gone{path}").status_code == 404
    assert client.get(f"/runs/..%2F..{path}").status_code == 404


def test_what_a_run_found_is_told_and_compared(client: TestClient, desk: Desk, told: list[Mapping[str, Any]]) -> None:
    """503 while nobody takes it, so that whoever asks tries again; the comparison is the report's own."""
    run = client.post("/runs", json=body()).json()["id"]
    ended(desk, run)
    refused = client.post(f"/runs/{run}/tell")
    assert (refused.status_code, "connection refused" in refused.json()["detail"]) == (503, True)
    assert client.post(f"/runs/{run}/tell").json() == {"event_id": "e", "accepted": True, "why": None}
    assert [each["scenario"] for each in told] == ["passes", "passes"]
    compared = client.get(f"/runs/{run}/comparison").json()
    assert (compared["compared_with"], compared["slower"]) == (["a", "b"], [])


def test_a_report_is_told_by_the_url_that_people_reach(desk: Desk) -> None:
    """Whoever asks on loopback is no measure of where people are."""
    pages: list[str] = []

    def tell(_: Mapping[str, Any], page: str) -> dict[str, Any]:
        pages.append(page)
        return {"event_id": "e", "accepted": True, "why": None}

    client = TestClient(create_app(desk, "", tell, "https://load.example/"), base_url=LOCAL)
    run = client.post("/runs", json=body()).json()["id"]
    ended(desk, run)
    client.post(f"/runs/{run}/tell")
    assert pages == [f"https://load.example/runs/{run}/report.html"]


def test_a_run_without_a_report_has_nothing_to_tell(client: TestClient, desk: Desk) -> None:
    """409, and nobody is told of it."""
    run = client.post("/runs", json=body("crashes")).json()["id"]
    ended(desk, run)
    assert client.post(f"/runs/{run}/tell").status_code == 409
    assert client.get(f"/runs/{run}/comparison").status_code == 409


@pytest.mark.parametrize("broken", [None, "{", "[]", '{"verdict": null}'])
def test_a_report_that_is_gone_or_broken_is_that_runs_alone(client: TestClient, desk: Desk, broken: str | None) -> None:
    """It was not measured, and says why; every other run is listed, and the next one starts."""
    run = client.post("/runs", json=body()).json()["id"]
    report = desk.out / "runs" / run / "report.json"
    ended(desk, run)
    report.unlink() if broken is None else report.write_text(broken)
    shown = client.get(f"/runs/{run}").json()
    assert (shown["verdict"], "expected a report" in shown["why"]) == ("not_measured", True)
    assert [each["verdict"] for each in client.get("/runs").json()["runs"]] == ["not_measured"]
    assert client.post(f"/runs/{run}/tell").status_code == client.get(f"/runs/{run}/comparison").status_code == 409
    assert [each["id"] for each in client.get("/runs/missed?scenario=passes").json()["no_pass"]] == [run]
    after = client.post("/runs", json=body(key="next"))
    assert after.status_code == 202
    assert ended(desk, after.json()["id"]).verdict is not None


def test_a_look_at_one_run_reads_no_report_of_another(
    client: TestClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pack looks every few seconds, on the machine that is measured."""
    names = []
    for key in ("a", "b"):
        names.append(client.post("/runs", json=body(key=key)).json()["id"])
        ended(desk, names[-1])
    read: list[str] = []
    whole = Run.document

    def document(run: Run) -> dict[str, Any] | None:
        read.append(run.record.id)
        return whole(run)

    monkeypatch.setattr(Run, "document", document)
    assert client.get(f"/runs/{names[0]}").json()["verdict"] == "passed"
    assert read == names[:1]


def test_runs_that_ended_without_a_pass_are_told_with_the_missed_nights(client: TestClient, desk: Desk) -> None:
    """Whoever was to tell of them may have been stopped; passes and other scenarios are left out."""
    for scenario in ("passes", "misses"):
        ended(desk, client.post("/runs", json=body(scenario, key=scenario)).json()["id"])
    assert client.get("/runs/missed?scenario=passes").json()["no_pass"] == []
    (told,) = client.get("/runs/missed?scenario=misses").json()["no_pass"]
    assert (told["verdict"], told["why"]) == ("missed", "overhead_p95_ms is 171.0 ms, expected below 150.0")


def test_nights_before_the_first_start_are_not_missed(client: TestClient) -> None:
    """The service knows of runs since it was first started; a time zone that is not known is refused."""
    answer = client.get("/runs/missed", params={"scenario": "nightly", "at": "02:00", "grace_minutes": 0}).json()
    assert answer == {"scenario": "nightly", "planned": 0, "missed": [], "no_pass": []}
    assert client.get("/runs/missed", params={"timezone": "Nowhere/At-All"}).status_code == 422


def test_with_a_token_each_path_asks_for_it(desk: Desk) -> None:
    """401 without it, reports included."""
    client = TestClient(create_app(desk, "t0p", lambda *_: {}), base_url=LOCAL)
    assert [client.get(path).status_code for path in ("/livez", "/runs", "/runs/x/report.html")] == [401, 401, 401]
    assert client.get("/livez", headers={"Authorization": "Bearer t0p"}).json() == {"status": "ok"}
