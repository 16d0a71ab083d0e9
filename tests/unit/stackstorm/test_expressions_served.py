"""Expressions in a server that runs: the datastore, the workflow's own tasks, what is broken, what never ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests import stackstorm_server

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0
NEVER_ENDS = "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' | regex_search('(a|a)+$') }}"
FILES = {
    "pack.yaml": "name: demo\ndescription: d\nversion: 1.0.0\nauthor: a\n",
    "actions/do.yaml": "name: do\nrunner_type: noop\nparameters: {x: {type: string}}\n",
    "actions/all.yaml": "name: all\nrunner_type: orquesta\nentry_point: workflows/all.yaml\n",
    "actions/bad.yaml": "name: bad\nrunner_type: orquesta\nentry_point: workflows/bad.yaml\n",
    "actions/slow.yaml": "name: slow\nrunner_type: orquesta\nentry_point: workflows/slow.yaml\n",
    "actions/workflows/all.yaml": """\
version: 1.0
tasks:
  first:
    action: demo.do x="<% st2kv('system.plain') %> <% st2kv('system.secret', decrypt => true) %>"
    next:
      - publish:
          - mine: "{{ st2kv('own') }}"
          - missing: <% st2kv('nowhere', default => 'none') %>
          - shown: <% task(first) %>
          - counted: <% range(3).select($ + 1).toList() %>
        do: second
  second:
    action: demo.do x="<% ctx().mine %>"
output:
  - mine: <% ctx().mine %>
  - missing: <% ctx().missing %>
  - shown: <% ctx().shown %>
  - counted: <% ctx().counted %>
""",
    "actions/workflows/bad.yaml": "version: 1.0\ntasks: {a: {action: demo.do, input: {y: <% ctx().nope %>}}}\n",
    "actions/workflows/slow.yaml": f'version: 1.0\ntasks: {{a: {{action: demo.do, input: {{x: "{NEVER_ENDS}"}}}}}}\n',
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of one pack, with some keys."""
    home = tmp_path_factory.mktemp("home")
    for name, text in FILES.items():
        (home / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "demo" / name).write_text(text)
    with stackstorm_server.embedded(home, home / "demo") as url:
        for key in (
            {"name": "plain", "value": "plain"},
            {"name": "secret", "value": "hidden", "secret": True},
            {"name": "own", "value": "own", "scope": "user"},
        ):
            requests.put(f"{url}/v1/keys/{key['name']}", json=key, timeout=5).raise_for_status()
        yield url


def run(url: str, action: str, **parameters: object) -> dict[str, Any]:
    """Run an action to its end."""
    asked = requests.post(f"{url}/v1/executions", json={"action": action, "parameters": parameters}, timeout=PATIENCE)
    assert asked.status_code == 201, asked.text
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = requests.get(f"{url}/v1/executions/{asked.json()['id']}", timeout=5).json()
        if found["status"] in ("succeeded", "failed"):
            return dict(found)
        time.sleep(0.02)
    raise AssertionError(found)


def test_a_workflow_asks_the_datastore_and_its_own_tasks(url: str) -> None:
    """Keys of the system and of the user, secrets, defaults; task() shows the task; costly ones are evaluated."""
    ended = run(url, "demo.all")
    assert ended["status"] == "succeeded", ended["result"]
    output = ended["result"]["output"]
    assert (output["mine"], output["missing"], output["counted"]) == ("own", "none", [1, 2, 3])
    shown = output["shown"]
    assert (shown["task_id"], shown["route"], shown["status"]) == ("first", 0, "succeeded")
    assert shown["start_timestamp"] <= shown["end_timestamp"]
    children = requests.get(f"{url}/v1/executions/{ended['id']}/children", timeout=5).json()
    assert {child["parameters"]["x"] for child in children} == {"plain hidden", "own"}


def test_a_broken_workflow_fails_with_what_inspection_finds(url: str) -> None:
    """As the real one does: no output, and the findings as errors."""
    ended = run(url, "demo.bad")
    assert (ended["status"], ended["result"]["output"]) == ("failed", None)
    assert [(error["type"], error["message"]) for error in ended["result"]["errors"]] == [
        ("content", 'Action "demo.do" has unexpected input "y".'),
        ("context", 'Variable "nope" is referenced before assignment.'),
    ]


def test_an_expression_that_never_ends_fails_its_workflow_alone(url: str) -> None:
    """The server answers meanwhile, and runs others afterwards."""
    ended = run(url, "demo.slow")
    assert ended["status"] == "failed"
    assert "TimeoutError" in ended["result"]["errors"][0]["message"]
    assert run(url, "demo.do", x="after")["status"] == "succeeded"


def test_a_template_that_never_ends_is_a_bad_request(url: str) -> None:
    """Whoever may ask for an action may send a template along."""
    body = {"action": "demo.do", "parameters": {"x": NEVER_ENDS}}
    answer = requests.post(f"{url}/v1/executions", json=body, timeout=PATIENCE)
    assert answer.status_code == 400
    assert "TimeoutError" in answer.json()["faultstring"]
