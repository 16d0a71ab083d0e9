"""Every problem says what was expected, what came, and which command to type next: one that there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from typer.main import get_command

from orchestrator.api.advice import ADVICE, OTHERWISE, about
from orchestrator.cli import typer_app
from tests.recovery import failed_event

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

NOTHING = "00000000-0000-4000-8000-000000000000"
WHY = {"reason": "why not"}
QUERY: dict[str, Any] = {"query": {"task": "a.*"}, "dry_run": False}
ASKED: dict[str, tuple[int, str, str, Any, str]] = {
    "incident": (404, "GET", f"incidents/{NOTHING}", None, "redrive incidents list"),
    "failure": (404, "GET", f"failures/{NOTHING}", None, "redrive failures list"),
    "recovery": (404, "GET", f"recovery/retries/{NOTHING}", None, "redrive recoveries list"),
    "abort": (404, "POST", f"recovery/retries/{NOTHING}/abort", WHY, "redrive recoveries list"),
    "dependency": (404, "GET", "dependencies/nothing", None, "redrive dependencies"),
    "event": (404, "GET", "events/nothing", None, "redrive events list"),
    "sink": (404, "GET", "sinks/nothing/hours", None, "redrive sinks list"),
    "why": (404, "GET", f"why/{NOTHING}", None, "redrive incidents list"),
    "no such path": (404, "GET", "nothing", None, "redrive incidents list; GET /openapi.json"),
    "no id": (422, "GET", "incidents/nothing", None, "correct the fields named; redrive incidents update --help"),
    "no reason": (422, "POST", "recovery/retry", {}, "correct the fields named; redrive retry --help"),
    "no key": (400, "POST", "recovery/retry", QUERY | WHY, "or use the command, which does: redrive retry --help"),
    "no cursor": (422, "GET", f"incidents?cursor={NOTHING}", None, "begin at the first page: redrive incidents list"),
    "not held": (409, "POST", "dependencies/model/release", WHY, "redrive dependencies model"),
    "no page": (422, "GET", "incidents?limit=0", None, "correct the fields named; redrive incidents update --help"),
    "no mode": (422, "PUT", "mode", {"mode": "bogus"}, "correct the fields named; redrive mode --help"),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_a_problem_names_the_command_to_type(api: Served, asked: tuple[int, str, str, Any, str]) -> None:
    """By what was asked for, and what was wrong with it."""
    status, method, path, body, command = asked
    api.scene.take_in(failed_event(0))
    answer = api.ask(method, f"/api/v1/{path}", body)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert command in problem["what_next"], problem
    assert problem["detail"]


def test_a_key_that_came_before_with_another_body(api: Served) -> None:
    """Another key is wanted, and what makes one is named."""
    api.scene.take_in(failed_event(0))
    for reason in ("why not", "another"):
        asked = {"incident_id": str(api.scene.incident.id), "reason": reason}
        problem = api.ask("POST", "/recovery/retry", asked, headers={"Idempotency-Key": "k1"}).json()
    assert problem["what_next"] == "another key for another request: uuidgen makes one"


def test_without_a_token_it_says_how_to_give_one(guarded: Served) -> None:
    """For whoever types, and for whoever sends a request."""
    problem = guarded.ask("GET", "/api/v1/incidents").json()
    assert "export REDRIVE_API_TOKEN=TOKEN" in problem["what_next"]


@pytest.mark.parametrize("advice", [*ADVICE, OTHERWISE], ids=lambda each: each.path or "otherwise")
def test_each_command_that_is_named_exists(advice: Any) -> None:  # noqa: ANN401 - pytest passes it by its value
    """It answers to --help as it is written, or with its id."""
    command = get_command(typer_app)
    for each in (advice.lists, advice.shows, advice.helps):
        words = [word for word in each.split()[1:] if word not in {"{}", "--help"}]
        if each:
            assert CliRunner().invoke(command, [*words, "--help"]).exit_code == 0, each


@pytest.mark.parametrize("name", ["a b", "$(id)", "x;rm -rf /", "\x1b[2J", "'"])
def test_no_name_of_somebody_else_becomes_part_of_a_command(name: str) -> None:
    """What a shell would not take as one word is left out, and the list is named."""
    path = f"/api/v1/dependencies/{name}/release"
    assert about(path).show(path) == "redrive dependencies"
    assert not re.search(r"[;$'\x1b]", about(path).show(path))
