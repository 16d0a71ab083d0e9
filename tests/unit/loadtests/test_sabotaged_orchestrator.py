"""The relay that loses an event, and the API that answers later."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from eventbus.wire import LLM_CALL, TASK_FAILED
from loadtests.inside import sabotaged
from orchestrator.domain.events import Deferred, Delivered, Delivery
from orchestrator.flows.batches import Batch

if TYPE_CHECKING:
    from pathlib import Path


def _batch(*types: str) -> Batch:
    made: list[Any] = [
        SimpleNamespace(record=SimpleNamespace(type=each, key=place)) for place, each in enumerate(types)
    ]
    return Batch(last=len(types), wanted=made)


class Sink:
    """A relay with a sink of some name, and what came to it."""

    def __init__(self, name: str, marker: Path, answer: Delivery | None = None) -> None:
        self.relay: Any = SimpleNamespace(sink=SimpleNamespace(name=name))
        self.came: list[list[int]] = []
        self.answer = answer or Delivered()
        self._deliver = sabotaged._losing(self._take, marker)

    def _take(self, _relay: object, batch: Batch) -> Delivery:
        self.came.append([int(str(each.record.key)) for each in batch.wanted])
        return self.answer

    def deliver(self, batch: Batch) -> Delivery:
        """Hand a batch over, as the relay does."""
        return self._deliver(self.relay, batch)


def test_one_model_call_is_kept_back_and_no_second_one(tmp_path: Path) -> None:
    """Of all batches one lacks its first model call; the batch itself, by which the cursor moves, is whole."""
    marker = tmp_path / "lost"
    sink, batch = Sink("rudderstack", marker), _batch(TASK_FAILED, LLM_CALL, LLM_CALL)
    assert isinstance(sink.deliver(batch), Delivered)
    sink.deliver(batch)
    assert sink.came == [[0, 2], [0, 1, 2]]
    assert len(batch.wanted) == 3
    assert marker.read_text() == "rudderstack 1\n"


@pytest.mark.parametrize("name", ["warehouse", "rudderstack"])
def test_the_warehouse_and_batches_without_a_model_call_are_spared(tmp_path: Path, name: str) -> None:
    """What is billed stays whole, so that one gate alone is missed."""
    marker = tmp_path / "lost"
    types = (LLM_CALL, LLM_CALL) if name == "warehouse" else (TASK_FAILED, TASK_FAILED)
    sink = Sink(name, marker)
    sink.deliver(_batch(*types))
    assert sink.came == [[0, 1]]
    assert not marker.exists()


def test_a_batch_that_was_not_taken_is_not_the_one(tmp_path: Path) -> None:
    """A batch that goes again goes whole: nothing was lost by the first try."""
    marker = tmp_path / "lost"
    sink = Sink("rudderstack", marker, Deferred("away"))
    sink.deliver(_batch(LLM_CALL, LLM_CALL))
    assert not marker.exists()


def test_the_api_answers_a_fifth_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request of 50 ms takes 60; its answer is the same."""
    app = FastAPI()

    @app.get("/slow")
    def slow() -> dict[str, int]:
        time.sleep(0.05)
        return {"a": 1}

    monkeypatch.setattr(FastAPI, "__call__", sabotaged._answering_later(FastAPI.__call__))
    client = TestClient(app)
    client.get("/slow")
    began = time.perf_counter()
    assert client.get("/slow").json() == {"a": 1}
    assert time.perf_counter() - began >= 0.06
