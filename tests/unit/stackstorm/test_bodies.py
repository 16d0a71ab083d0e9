"""What requests hold, of the wrong kind or beyond all bounds: 400 with what was expected, and nothing is done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.stackstorm_server import embedded
from tests.unit.stackstorm.asking import Asking, write

if TYPE_CHECKING:
    from collections.abc import Iterator

HOOK = {"type": "core.st2.webhook", "parameters": {"url": "call"}}
RULE = {"name": "call", "trigger": HOOK, "action": {"ref": "core.noop"}}
FILES = {
    "pack.yaml": "{name: demo, description: d, version: 0.1.0, author: a}",
    "actions/count.yaml": "{name: count, runner_type: noop, parameters: {n: {type: integer}}}",
    "rules/call.yaml": json.dumps({**RULE, "enabled": True}),
}
COUNT = {"action": "demo.count"}
FAR = "9" * 23


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A StackStorm with one small pack."""
    folder = tmp_path_factory.mktemp("bodies")
    with embedded(folder, write(folder / "demo", FILES)) as url:
        yield Asking(f"{url}/v1")


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/executions", {"parameters": {}}, "'action' is a required property"),
        (
            "POST",
            "/executions",
            {**COUNT, "parameters": [1]},
            "expected parameters to be a mapping, got a list",
        ),
        (
            "POST",
            "/executions",
            {**COUNT, "context": [1]},
            "expected context to be a mapping, got a list",
        ),
        ("POST", "/executions", {**COUNT, "delay": 10**400}, "expected delay to be at most"),
        ("POST", "/executions", [1], "expected a JSON object, got a list"),
        ("PUT", "/executions/last", [1], "expected a JSON object, got a list"),
        ("POST", "/executions/last/re_run", {"tasks": [[1]]}, "expected the names of tasks, got a list"),
        ("POST", "/executions/last/re_run", {"tasks": [], "reset": {}}, "expected reset to be a list, got a mapping"),
        ("POST", "/actions", {"name": "new", "pack": ["demo"], "runner_type": "noop"}, "['demo'] is not of type"),
        ("POST", "/actions", {"name": "\ud800", "runner_type": "noop"}, "does not match"),
        ("POST", "/actions", None, "expected an action"),
        ("POST", "/actions/demo.count/clone", {"dest_pack": []}, "[] is not of type 'string'"),
        ("PUT", "/rules/demo.call", {**RULE, "pack": ["demo"]}, "['demo'] is not of type 'string', 'null'"),
        ("POST", "/rules", {**RULE, "name": "\ud800"}, "does not match"),
        ("POST", "/rules", {**RULE, "pack": "\ud800"}, "does not match"),
        ("POST", "/rules", None, "expected a rule"),
        ("POST", "/packs/register", {"packs": [[1]]}, "[1] is not of type 'string'"),
        ("POST", "/packs/register", {"types": [[1]]}, "[1] is not of type 'string'"),
        ("POST", "/webhooks/st2", {"trigger": [1]}, "expected the name of a trigger, got [1]"),
        ("PUT", "/keys/k", {"name": "k", "value": "v", "ttl": 10**12}, "1000000000000 is greater than the maximum"),
        ("GET", f"/executions?offset={FAR}", None, 'expected the parameter "offset" to be at most'),
        ("GET", f"/traces?offset={FAR}", None, 'expected the parameter "offset" to be at most'),
        ("GET", "/executions?timestamp_gt=0001-01-01T00:00:00%2B23:00", None, "expected a time such as"),
        ("GET", "/triggerinstances?timestamp_gt=0001-01-01T00:00:00%2B23:00", None, "expected a time such as"),
        ("GET", "/ruleenforcements?enforced_at=soon", None, "expected a time such as"),
    ],
)
def test_what_cannot_be_meant_is_refused(api: Asking, method: str, path: str, body: object, said: str) -> None:
    """The fault says what was expected, in StackStorm's words where the check is its own."""
    api.ask("demo.count", n=1)
    answer = api.call(method, path, body)
    assert (answer.status_code, said in answer.json()["faultstring"]) == (400, True), answer.text
