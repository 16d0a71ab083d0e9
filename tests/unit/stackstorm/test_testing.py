"""What the fixture of the pytest plugin does where its server fails; the rest is tested with a pack's own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.testing import StackStorm
from orchestrator.stackstorm.testing.calls import Calls, Refused
from orchestrator.stackstorm.testing.process import Served

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS: dict[str, Any] = {
    "/executions": [],
    "/traces": [{"trigger_instances": [{"object_id": "i"}]}],
    "/triggerinstances/i": {"id": "i", "status": "processing_failed"},
    "/ruleenforcements": [{"rule": {"ref": "demo.on"}, "failure_reason": "RecursionError"}],
}


@pytest.fixture
def stackstorm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackStorm:
    """A StackStorm whose rules raise, and which answers nothing but what is read here."""
    monkeypatch.setattr(Calls, "get", lambda _self, path, **_query: ANSWERS[path])
    monkeypatch.setattr(Calls, "post", lambda _self, _path, _body, **_headers: {})
    return StackStorm(Served("http://127.0.0.1:9", tmp_path, tmp_path / "log"), 0.5)


def test_a_trigger_whose_rule_failed_is_not_waited_for(stackstorm: StackStorm) -> None:
    """`failures` says which rule, and why."""
    assert stackstorm.send("demo.evt").failures == {"demo.on": "RecursionError"}


def test_a_step_back_that_fails_keeps_no_other_from_being_tried(
    stackstorm: StackStorm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that cannot be read and a stub that stays leave the other stub and the configuration put back."""
    deleted = []

    def refuse(_self: Calls, path: str) -> None:
        deleted.append(path)
        raise Refused("DELETE", path, 500, "Internal Server Error")

    monkeypatch.setattr(Calls, "put", lambda _self, _path, _body: {})
    monkeypatch.setattr(Calls, "delete", refuse)
    stackstorm.config("demo", {"a": 1})
    stackstorm.stub("demo.one")
    stackstorm.stub("demo.two")
    with pytest.raises(Refused, match="DELETE /stubs/demo"):
        stackstorm.reset()
    assert sorted(deleted) == ["/stubs/demo.one", "/stubs/demo.two"]
    assert not (tmp_path / "demo.yaml").exists()
