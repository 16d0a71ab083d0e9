"""The sample application on a real worker, with the model provider as its own process: what the demo stands on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from eventbus import wire
from tests.integration.worker_harness import CHECKOUT, PATIENCE, WorkerBench, new_id, republish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    """The URL of a provider that answers at once."""
    ready = tmp_path / "provider.json"
    command = [sys.executable, "-m", "loadtests.apps.provider", "--port", "0", "--ready-file", str(ready)]
    process = subprocess.Popen([*command, "--parent-pid", str(os.getpid())], cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield json.loads(ready.read_text())["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


@pytest.fixture
def bench(tmp_path: Path, provider: str) -> Iterator[WorkerBench]:
    """The sample application's worker, started with its plain command."""
    broker = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    settings = {
        "LLM_APP_BROKER": broker,
        "LLM_APP_BACKEND": f"db+sqlite:///{tmp_path}/results.sqlite",
        "LLM_APP_PROVIDER": provider,
        "LLM_APP_RUNS": str(tmp_path / "runs"),
    }
    with WorkerBench(tmp_path, broker, app="loadtests.apps.llm_app", **settings) as bench:
        yield bench


CALL = "loadtests.apps.llm_app.call_model"


def switch(provider: str, *, up: bool) -> None:
    """Take the provider down, or up again."""
    assert requests.post(f"{provider}/control", json={"up": up}, timeout=PATIENCE).json() == {"up": up}


@pytest.mark.slow
def test_a_call_that_fails_while_the_provider_is_down_succeeds_when_it_is_redriven(
    bench: WorkerBench, provider: str
) -> None:
    """Down, the call fails with 503 and costs nothing; redriven to `bulk` once it is up, it succeeds and costs."""
    switch(provider, up=False)
    sent = bench.send(CALL, context_tokens=100, generated_tokens=7)
    (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    assert failure.data["exception"]["status"] == 503
    assert failure.data["declaration"].items() >= {"dependency": "model-provider", "idempotent": True}.items()
    assert bench.events(wire.LLM_CALL) == []
    switch(provider, up=True)
    attempt_id = new_id()
    republish(bench.broker, failure.data["message"], attempt_id, queue="bulk")
    (cost,) = bench.wait_for_events(wire.LLM_CALL, 1)
    assert sent.get(timeout=PATIENCE)["usage"] == {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
    assert (cost.data["gen_ai.usage.input_tokens"], cost.data["gen_ai.usage.output_tokens"]) == (100, 7)
    assert cost.data["task_id"] == sent.id
    stats = requests.get(f"{provider}/stats", timeout=PATIENCE).json()
    assert (stats["served"], stats["refused"]) == (1, 1)
    assert stats["ids"] == [cost.data["gen_ai.response.id"]]
    assert bench.runs == [f"{sent.id} celery - failed", f"{sent.id} bulk {attempt_id} succeeded"]


def test_a_charge_is_declared_as_not_to_be_run_twice(bench: WorkerBench, provider: str) -> None:
    """The task that takes money declares its own dependency, and that it is not idempotent."""
    switch(provider, up=False)
    bench.send("loadtests.apps.llm_app.charge_card", amount_cents=500)
    (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    assert failure.data["declaration"].items() >= {"dependency": "payments", "idempotent": False}.items()


def test_eight_callers_at_once_get_an_answer_each(provider: str) -> None:
    """Every caller gets an answer of its own, and all are counted."""
    body = {"model": "gpt-4o", "context_tokens": 1, "generated_tokens": 1}
    with ThreadPoolExecutor(8) as callers:
        answers = callers.map(
            lambda _: requests.post(f"{provider}/v1/chat/completions", json=body, timeout=PATIENCE).json()["id"],
            range(8),
        )
        given = set(answers)
    assert len(given) == 8
    assert given == set(requests.get(f"{provider}/stats", timeout=PATIENCE).json()["ids"])
