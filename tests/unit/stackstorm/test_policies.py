"""Policies: so many executions of an action run at once, and one more waits or is canceled."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.stackstorm_server import embedded, ready, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 20.0
FILES = {
    "pack.yaml": "{name: busy, description: For policies, version: 0.1.0, author: tests, email: a@example.com}",
    "actions/wait.yaml": """
name: wait
runner_type: local-shell-cmd
parameters:
  file: {type: string, required: true}
  cmd: {immutable: true, default: "while [ ! -e {{ file }} ]; do sleep 0.02; done"}
""",
    "actions/flow.yaml": """
name: flow
runner_type: orquesta
entry_point: workflows/flow.yaml
parameters: {file: {type: string, required: true}}
""",
    "actions/workflows/flow.yaml": """
version: 1.0
input: [file]
tasks: {wait: {action: "core.local cmd='while [ ! -e <% ctx(file) %> ]; do sleep 0.02; done'"}}
""",
}
POLICY = """
name: few
resource_ref: busy.{}
policy_type: action.concurrency
parameters: {{threshold: 1, action: {}}}
"""


def packed(folder: Path, action: str, reached: str) -> Path:
    """Write the pack, with one policy."""
    for name, text in {**FILES, "policies/few.yaml": POLICY.format(action, reached)}.items():
        (folder / "busy" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "busy" / name).write_text(text)
    return folder / "busy"


def asked(url: str, action: str, file: Path) -> str:
    """Ask for an execution; gives its id."""
    body = {"action": f"busy.{action}", "parameters": {"file": str(file)}}
    return str(requests.post(f"{url}/v1/executions", json=body, timeout=5).json()["id"])


def shown(url: str, *ids: str) -> list[str]:
    """Give the statuses of executions."""
    return [requests.get(f"{url}/v1/executions/{id_}", timeout=5).json()["status"] for id_ in ids]


def until(what: Callable[[], Any]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("action", ["wait", "flow"])
def test_one_more_waits_until_there_is_room(tmp_path: Path, action: str) -> None:
    """Of three that are asked for one runs and two are delayed; then each has its turn, one at a time."""
    file = tmp_path / "go"
    with embedded(tmp_path, packed(tmp_path, action, "delay")) as url:
        ids = [asked(url, action, file) for _ in range(3)]
        until(lambda: sorted(shown(url, *ids)) == ["delayed", "delayed", "running"])
        file.touch()
        until(lambda: shown(url, *ids) == ["succeeded"] * 3)
        found = [requests.get(f"{url}/v1/executions/{id_}", timeout=5).json() for id_ in ids]
    turns = sorted((running_since(each), each["end_timestamp"]) for each in found)
    assert all(before[1] <= after[0] for before, after in pairwise(turns))


def running_since(execution: dict[str, Any]) -> str:
    """Tell when an execution began to run."""
    return next(str(each["timestamp"]) for each in execution["log"] if each["status"] == "running")


def test_one_more_is_canceled(tmp_path: Path) -> None:
    """Where the policy says so; the one that runs goes on."""
    file = tmp_path / "go"
    with embedded(tmp_path, packed(tmp_path, "wait", "cancel")) as url:
        first = asked(url, "wait", file)
        until(lambda: shown(url, first) == ["running"])
        second = asked(url, "wait", file)
        until(lambda: shown(url, second) == ["canceled"])
        file.touch()
        until(lambda: shown(url, first) == ["succeeded"])


def test_what_a_policy_delayed_runs_after_a_restart(tmp_path: Path) -> None:
    """Killed meanwhile, it takes the delayed one up again, and runs it once."""
    file, pack = tmp_path / "go", packed(tmp_path, "flow", "delay")
    (tmp_path / "configs").mkdir()
    process = start(tmp_path, pack)
    url = ready(process, tmp_path / "ready.json")
    ids = [asked(url, "flow", file) for _ in range(2)]
    until(lambda: sorted(shown(url, *ids)) == ["delayed", "running"])
    process.kill()
    process.wait()
    file.touch()
    with embedded(tmp_path, pack) as again:
        until(lambda: set(shown(again, *ids)) <= {"succeeded", "failed", "abandoned"})
        assert shown(again, ids[1]) == ["succeeded"]


def test_policies_are_shown(tmp_path: Path) -> None:
    """By the API, as StackStorm shows them; to change one takes its file."""
    with embedded(tmp_path, packed(tmp_path, "wait", "delay")) as url:
        (policy,) = requests.get(f"{url}/v1/policies", params={"resource_ref": "busy.wait"}, timeout=5).json()
        assert (policy["ref"], policy["policy_type"]) == ("busy.few", "action.concurrency")
        assert policy["parameters"] == {"threshold": 1, "action": "delay"}
        assert requests.get(f"{url}/v1/policies/busy.few", timeout=5).json() == policy
        assert requests.post(f"{url}/v1/policies", json={}, timeout=5).status_code == 501
