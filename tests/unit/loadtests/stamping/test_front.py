"""The sample app's front: what it enqueues, and what it remembers of it."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from kombu.exceptions import OperationalError

from loadtests.stamps import calls_of, read_lines

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


class Enqueued(list[dict[str, Any]]):
    """What the broker would have got; with `away` it is not there."""

    away = False

    def __call__(self, **options: Any) -> SimpleNamespace:
        """Take a message."""
        if self.away:
            raise OperationalError("no such broker")
        self.append(options)
        return SimpleNamespace(id=options["task_id"] or f"t-{len(self)}")


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the front as it runs in a load test, without the plugin."""
    monkeypatch.setenv("LLM_APP_PLUGIN", "off")
    return import_module("loadtests.apps.front")


@pytest.fixture
def enqueued(front: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Enqueued:
    """Take the place of the broker."""
    found = Enqueued()
    monkeypatch.setattr(front.call_model, "apply_async", found)
    return found


CALL = {"context_tokens": 3, "generated_tokens": 5}


@pytest.mark.parametrize("logged", [False, True])
def test_a_call_is_remembered_with_when_it_was_meant(
    front: ModuleType, tmp_path: Path, enqueued: Enqueued, *, logged: bool
) -> None:
    """In memory or in the log: block, intended start, tokens, and whether it can ever succeed."""
    client = TestClient(front.create_app(tmp_path / "calls" if logged else None))
    assert client.post("/calls", json=CALL).json() == {"id": "t-1"}
    client.post("/control", json={"queue": "plain", "block": "1-off"})
    client.post("/calls", json=CALL | {"intended": 17.5, "malformed": True})
    first, second = client.get("/calls").json()["calls"]
    assert (first["block"], first["malformed"], first["intended"] == first["sent"]) == ("", False, True)
    assert second.items() >= {"id": "t-2", "block": "1-off", "intended": 17.5, "malformed": True, **CALL}.items()
    assert [each["kwargs"] for each in enqueued] == [CALL, CALL | {"malformed": True}]
    assert [each["queue"] for each in enqueued] == [None, "plain"]


def test_the_log_says_what_the_front_says(front: ModuleType, tmp_path: Path, enqueued: Enqueued) -> None:
    """The log's lines are read as calls."""
    client = TestClient(front.create_app(tmp_path / "calls"))
    client.post("/calls", json=CALL | {"intended": 17.5})
    (call,) = calls_of(read_lines(tmp_path / "calls"), 0.01)
    assert (call.id, call.block, call.intended, call.model_seconds) == ("t-1", "", 17.5, 0.05)
    assert call.sent == pytest.approx(client.get("/calls").json()["calls"][0]["sent"])
    assert len(enqueued) == 1


def test_a_caller_may_name_his_call(front: ModuleType, enqueued: Enqueued) -> None:
    """A UUID of his becomes the task's id, so that he knows it before it has an answer."""
    name = "2f7c1f0e-8a51-4d0c-9d0e-0d6f9f6f3b11"
    assert TestClient(front.create_app()).post("/calls", json=CALL | {"id": name}).json() == {"id": name}
    assert enqueued[0]["task_id"] == name


def test_a_call_that_the_broker_did_not_take_is_none(front: ModuleType, tmp_path: Path, enqueued: Enqueued) -> None:
    """The user hears 503, and nothing is remembered of it."""
    enqueued.away = True
    client = TestClient(front.create_app(tmp_path / "calls"))
    assert client.post("/calls", json=CALL).status_code == 503
    assert client.get("/calls").json() == {"calls": []}


@pytest.mark.parametrize("wrong", [{"intended": -1}, {"generated_tokens": -1}, {"id": "one"}, {"tokens": 1}])
def test_a_call_that_is_none_is_refused(front: ModuleType, enqueued: Enqueued, wrong: dict[str, Any]) -> None:
    """Tokens and moments are numbers from zero, and nothing else may be asked."""
    assert TestClient(front.create_app()).post("/calls", json=CALL | wrong).status_code == 422
    assert enqueued == []


def test_a_block_s_name_has_no_spaces(front: ModuleType) -> None:
    """It is a field of a line."""
    assert TestClient(front.create_app()).post("/control", json={"block": "1 on"}).status_code == 422


def test_the_clock_is_this_machine_s(front: ModuleType) -> None:
    """It never goes back."""
    client = TestClient(front.create_app())
    first, second = (client.get("/clock").json() for _ in range(2))
    assert 0 < first["monotonic"] <= second["monotonic"]
    assert first["boot"] == second["boot"]
