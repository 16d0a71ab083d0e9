"""Workflows that cannot run: what is wrong is said once, and by its cause."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.stackstorm_server import embedded
from tests.unit.stackstorm.malformed import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 20
WORKFLOWS = {
    "cannot_begin": """\
version: 1.0
vars: [{bad: '<% abs(8).value %>'}]
tasks: {one: {action: core.noop}}
output: [{later: '<% ctx().bad %>'}]
""",
    "refused": """\
version: 1.0
tasks: {one: {action: core.remote, input: {hosts: there, cmd: ls}}}
""",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded StackStorm with the workflows above."""
    folder: Path = tmp_path_factory.mktemp("outside")
    files: dict[str, str | bytes] = {f"actions/workflows/{name}.yaml": text for name, text in WORKFLOWS.items()}
    for name in WORKFLOWS:
        files[f"actions/{name}.yaml"] = f"name: {name}\nrunner_type: orquesta\nentry_point: workflows/{name}.yaml\n"
    with embedded(folder, write(folder / "packs", files)) as found:
        yield found


def ended(url: str, action: str) -> dict[str, Any]:
    """Run an action to its end."""
    id_ = requests.post(f"{url}/v1/executions", json={"action": action}, timeout=SECONDS).json()["id"]
    deadline = time.monotonic() + SECONDS
    while True:
        document: dict[str, Any] = requests.get(f"{url}/v1/executions/{id_}", timeout=SECONDS).json()
        if document["status"] in ("succeeded", "failed") or time.monotonic() > deadline:
            return document
        time.sleep(0.02)


def test_a_workflow_that_cannot_begin_says_so_once(url: str) -> None:
    """Where its variables fail, its output is not asked for: it would fail with the same again."""
    document = ended(url, "demo.cannot_begin")
    assert document["status"] == "failed"
    assert [error["type"] for error in document["result"]["errors"]] == ["error"]


def test_a_workflow_that_names_a_refused_action_fails_with_the_reason(url: str) -> None:
    """It names the file and the key that are not supported, not an action that nobody knows."""
    (error,) = ended(url, "demo.refused")["result"]["errors"]
    assert "core/actions/remote.yaml" in error["message"]
    assert "runner_type: the runner remote-shell-cmd is not supported" in error["message"]
