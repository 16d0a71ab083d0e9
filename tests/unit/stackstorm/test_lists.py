"""Lists as StackStorm's own command line asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from orchestrator.stackstorm.packs import packs_dir
from tests.stackstorm_server import embedded
from tests.unit.stackstorm.asking import Asking, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACK = {
    "pack.yaml": "{name: demo, description: d, version: 0.1.0, author: a}",
    "actions/nothing.yaml": "{name: nothing, runner_type: noop}",
    "actions/said.yaml": "{name: said, runner_type: noop, parameters: {said: {type: string}}}",
}
ACTION = {"action": "redrive.escalate", "parameters": {"incident_id": "i", "revision": 1}}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A StackStorm with the pack redrive, whose orchestrator is away."""
    config = {"redrive": "orchestrator_url: http://127.0.0.1:9\n"}
    with embedded(tmp_path, packs_dir() / "redrive", configs=config) as served:
        yield f"{served}/v1"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Asking]:
    """A StackStorm with a pack whose actions do nothing."""
    with embedded(tmp_path, write(tmp_path / "demo", PACK)) as served:
        yield Asking(f"{served}/v1")


def test_a_runner_is_found_by_its_name(url: str) -> None:
    """`st2 run` asks for the one runner of an action, and gets that one."""
    found = requests.get(f"{url}/runnertypes", params={"name": "orquesta"}, timeout=10).json()
    assert [each["name"] for each in found] == ["orquesta"]


def test_executions_without_a_parent_are_listed(url: str) -> None:
    """`st2 execution list` asks for parent=null: the workflow is there, the action that it runs is not."""
    made = requests.post(f"{url}/executions", json=ACTION, timeout=10).json()
    found = requests.get(f"{url}/executions", params={"parent": "null"}, timeout=10).json()
    assert [each["id"] for each in found] == [made["id"]]


def test_lists_are_filtered_by_everything_that_stackstorm_filters_by(api: Asking) -> None:
    """Each filter finds the execution, and with another value does not."""
    id_ = api.reached(api.ask("demo.nothing"))["id"]
    shown = api.show(id_)
    start = shown["start_timestamp"]
    filters = {
        "action": "demo.nothing", "status": "succeeded", "liveaction": shown["liveaction"]["id"], "parent": "null",
        "rule": "null", "runner": "noop", "timestamp": start, "trigger": "null", "trigger_type": "null",
        "trigger_instance": "null", "user": "stanley", "timestamp_gt": "2020-01-01T00:00:00Z",
        "timestamp_lt": "2120-01-01T00:00:00Z",
    }  # fmt: skip
    wrong = {"timestamp": "2020-01-01T00:00:00Z", "timestamp_gt": start, "timestamp_lt": start}
    for name, value in filters.items():
        query = (
            f"{name}={value}&sort_desc=True&timestamp_gt=2020-01-01" if name != "timestamp_gt" else f"{name}={value}"
        )
        assert id_ in {each["id"] for each in api.get(f"/executions?{query}&sort_desc=True")}, name
        assert id_ not in {each["id"] for each in api.get(f"/executions?{name}={wrong.get(name, 'x')}")}, name


def test_only_the_attributes_that_were_asked_for_are_answered(api: Asking) -> None:
    """Beside them come those that secrets are masked by, as from StackStorm."""
    id_ = api.reached(api.ask("demo.said", said="x"))["id"]
    shown = api.get(f"/executions/{id_}?include_attributes=action.ref,status")
    assert shown["action"]["ref"] == "demo.said"
    assert set(shown) == {"id", "action", "runner", "status", "parameters", "context"}
    assert "result" not in api.get(f"/executions/{id_}?exclude_attributes=result")
    assert api.show("last")["id"] == id_
