"""Why over HTTP: stories, timelines and postmortems, and what ids are known at all."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.unit.orchestrator.api.test_operating_api import outage
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served


def test_a_story_has_its_members(api: Served) -> None:
    """What it is about, its steps, how it stands and what comes next."""
    outage(api, each=1)
    told = api.ask("GET", "/api/v1/why/t0").json()
    assert set(told) == {"about", "id", "title", "steps", "now", "gone"}
    assert (told["about"], told["id"], told["title"]) == ("task", "t0", "app.call")
    assert set(told["steps"][0]) == {"at", "what", "text", "by", "rule", "execution_id"}
    assert set(told["now"]) == {"state", "next", "waits_for", "next_at", "command"}
    classified = next(each for each in told["steps"] if each["what"] == "failure.classified")
    assert classified["rule"] == "http-status"


@pytest.mark.parametrize(
    "named", ["nothing", "00000000-0000-4000-8000-000000000000", "a%2Fb", "%00", "%F0%9F%92%A9", "x" * 3_000]
)
def test_an_id_of_nothing_is_a_problem_that_names_what_is_known(api: Served, named: str) -> None:
    """404 with the kinds of ids that have a story, whatever the id is."""
    answer = api.ask("GET", f"/api/v1/why/{named}")
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (404, "docs/problems.md#not-found")
    assert "task that failed, failure, incident, recovery, release, redrive, command or event" in problem["detail"]


def test_a_timeline_has_the_steps_of_the_incident(api: Served) -> None:
    """The same that its story has; 404 for one that is not known."""
    incident = outage(api, each=2)
    told = api.ask("GET", f"/api/v1/incidents/{incident}/timeline").json()
    assert told["steps"] == api.ask("GET", f"/api/v1/why/{incident}").json()["steps"]
    assert [each["what"] for each in told["steps"]][:2] == ["failure.first", "incident.opened"]
    refused(api.ask("GET", f"/api/v1/incidents/{uuid4()}/timeline"), 404, "not-found")


def test_a_postmortem_is_json_or_markdown(api: Served) -> None:
    """As the header Accept wants it; 404 for an incident that is not known."""
    incident = outage(api, each=2)
    path = f"/api/v1/incidents/{incident}/postmortem"
    assert api.ask("GET", path).json()["size"] == 2
    page = api.ask("GET", path, headers={"Accept": "text/markdown"})
    assert page.headers["Content-Type"].startswith("text/markdown")
    assert page.text.startswith("# Postmortem: app.call")
    refused(api.ask("GET", f"/api/v1/incidents/{uuid4()}/postmortem"), 404, "not-found")


def test_a_story_is_for_those_who_are_let_in(guarded: Served) -> None:
    """Without the token there is none."""
    refused(guarded.ask("GET", "/api/v1/why/t0"), 401, "unauthorized")
