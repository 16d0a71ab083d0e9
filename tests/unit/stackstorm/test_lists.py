"""Lists as StackStorm's own command line asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from orchestrator.stackstorm.packs import packs_dir
from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACTION = {"action": "redrive.escalate", "parameters": {"incident_id": "i", "revision": 1}}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A StackStorm with the pack redrive, whose orchestrator is away."""
    config = {"redrive": "orchestrator_url: http://127.0.0.1:9\n"}
    with embedded(tmp_path, packs_dir() / "redrive", configs=config) as served:
        yield f"{served}/v1"


def test_a_runner_is_found_by_its_name(url: str) -> None:
    """`st2 run` asks for the one runner of an action, and gets that one."""
    found = requests.get(f"{url}/runnertypes", params={"name": "orquesta"}, timeout=10).json()
    assert [each["name"] for each in found] == ["orquesta"]


def test_executions_without_a_parent_are_listed(url: str) -> None:
    """`st2 execution list` asks for parent=null: the workflow is there, the action that it runs is not."""
    made = requests.post(f"{url}/executions", json=ACTION, timeout=10).json()
    found = requests.get(f"{url}/executions", params={"parent": "null"}, timeout=10).json()
    assert [each["id"] for each in found] == [made["id"]]
