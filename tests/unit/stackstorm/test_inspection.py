"""Inspection: what is wrong with a workflow, in the real inspection's words and places."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from orchestrator.stackstorm.embedded.api.http import Request
from orchestrator.stackstorm.embedded.api.workflows import WorkflowRoutes
from orchestrator.stackstorm.embedded.content import source
from orchestrator.stackstorm.embedded.content.library import Library
from orchestrator.stackstorm.embedded.datastore import Datastore
from orchestrator.stackstorm.embedded.errors import ContentError, Fault
from orchestrator.stackstorm.embedded.orquesta.inspection import inspect
from orchestrator.stackstorm.embedded.store import Store

# Workflows of ours, most of them broken, with what the inspection of a real StackStorm (orquesta 1.6 with jsonschema
# 3.2, st2 3.10dev) found in them; null where the real one refuses to read the workflow, or fails at it.
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("inspection_cases.json").read_text())
FOUND = [case for case in RECORDED["cases"] if case["findings"] is not None]
REFUSED = [case["workflow"] for case in RECORDED["cases"] if case["findings"] is None]
PACK = {
    "pack.yaml": "name: demo\ndescription: d\nversion: 1.0.0\nauthor: a\n",
    "actions/do.yaml": "name: do\nrunner_type: noop\nparameters: {x: {type: string, required: true}}\n",
}


def findings(workflow: str) -> list[dict[str, Any]]:
    """Inspect as recorded."""
    data = source.parse(Path("w.yaml"), workflow).data
    found = inspect(data, RECORDED["actions"].get, frozenset({"st2"}))
    return [finding.shown() for finding in found]


def in_order(found: list[dict[str, Any]]) -> list[str]:
    """Order what is of one kind and place, which the real one leaves to chance."""
    return sorted(
        (json.dumps(one, sort_keys=True) for one in found),
        key=lambda text: (json.loads(text)["type"], json.loads(text)["schema_path"], text),
    )


@pytest.mark.parametrize("case", FOUND, ids=[str(number) for number in range(len(FOUND))])
def test_it_finds_what_the_real_inspection_found(case: dict[str, Any]) -> None:
    """Kind, message, both paths, language and expression of every finding; kinds and places in the same order.

    A key that is no text (`on`) is refused before: the reader of YAML names its line.
    """
    if case["workflow"].startswith("on: "):
        with pytest.raises(ContentError, match="expected text as a key"):
            findings(case["workflow"])
        return
    ours = findings(case["workflow"])
    assert in_order(ours) == in_order(case["findings"])
    places = [(one["type"], one["schema_path"], one["spec_path"]) for one in ours]
    assert places == [(one["type"], one["schema_path"], one["spec_path"]) for one in case["findings"]]


@pytest.mark.parametrize("workflow", REFUSED)
def test_what_the_real_one_cannot_read_is_refused(workflow: str) -> None:
    """Either the text is refused, or something is found in it: nothing runs here that cannot run there."""
    try:
        data = source.parse(Path("w.yaml"), workflow).data
    except ContentError:
        return
    assert not isinstance(data, dict) or findings(workflow)


def request(routes: WorkflowRoutes, body: object) -> Any:  # noqa: ANN401 what an answer holds may be anything
    """Ask for the inspection of a body."""
    response = routes.inspect(Request("POST", "/workflows/inspect", {}, None, body))
    assert response.status == HTTPStatus.OK
    return response.body


@pytest.fixture
def routes(tmp_path: Path) -> WorkflowRoutes:
    """The routes over one loaded pack."""
    for name, text in PACK.items():
        (tmp_path / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "demo" / name).write_text(text)
    store = Store(tmp_path / "state.sqlite")
    return WorkflowRoutes(Library([tmp_path / "demo"], tmp_path, store, Datastore(store, tmp_path)))


def test_by_request_actions_and_their_inputs_are_checked(routes: WorkflowRoutes) -> None:
    """An empty list for a good workflow; the loaded packs and the runners say what an action takes."""
    assert request(routes, "tasks: {a: {action: demo.do x=1}}") == []
    kinds = [
        (one["type"], one["message"]) for one in request(routes, "tasks: {a: {action: demo.do}, b: {action: no.pe}}")
    ]
    assert kinds == [
        ("content", 'The action "no.pe" is not registered in the database.'),
        ("content", 'Action "demo.do" is missing required input "x".'),
    ]


@pytest.mark.parametrize(
    "body", [None, "", "[1]", "a: [", {"tasks": {}}, "tasks: {a: {action: x, action: y}}", "#" * 1_000_001]
)
def test_a_body_that_is_no_workflow_is_answered_400(routes: WorkflowRoutes, body: object) -> None:
    """Nothing, no mapping, no YAML, a key twice, too long."""
    with pytest.raises(Fault, match=r".+") as caught:
        request(routes, body)
    assert caught.value.status == HTTPStatus.BAD_REQUEST
