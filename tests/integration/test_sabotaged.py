"""Each sabotage does what it says, in the process that runs in the place of the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from eventbus import wire
from loadtests import sabotage
from loadtests.stamps import read_lines, runs_of
from tests.integration.worker_harness import CHECKOUT, PATIENCE, WorkerBench, new_id, republish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadtests.evidence import Run

CALL = "loadtests.apps.llm_app.call_model"
WRAPPED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
from eventbus import telemetry
from eventbus.parent import Parent
from eventbus.sender import Sender
from eventbus.tracer import Tracer

def depth(call):
    return 1 + depth(call.__wrapped__) if hasattr(call, "__wrapped__") else 0

hooks = [(Tracer, "_succeeded"), (Tracer, "_ended"), (Tracer, "_left"), (Parent, "began"), (Sender, "handle")]
found = {f"{owner.__name__}.{name}": depth(getattr(owner, name)) for owner, name in hooks}
print(json.dumps(found | {"telemetry.record": depth(telemetry.record)}))
"""
SLOW, BROKEN, CALM = sabotage.SLOW_PLUGIN, sabotage.BROKEN_RECOVERY, sabotage.PROVIDER_NEVER_FAILS


@contextmanager
def provider_of(name: str | None, folder: Path) -> Iterator[str]:
    """Give the URL of the provider that a sabotage starts."""
    ready, made = folder / "provider.json", sabotage.of(name)
    command = [sys.executable, "-m", made.provider, "--ready-file", str(ready), "--asked", str(folder / "asked")]
    environ = os.environ | made.environ(folder)
    process = subprocess.Popen([*command, "--parent-pid", str(os.getpid())], cwd=CHECKOUT, env=environ,
                               stdout=subprocess.DEVNULL)  # fmt: skip
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


def worker_of(name: str | None, folder: Path, provider: str) -> WorkerBench:
    """Make the worker that a sabotage starts."""
    made = sabotage.of(name)
    told = {"LLM_APP_BROKER": f"redrive+sqlite:///{folder}/bus.sqlite", "LLM_APP_PROVIDER": provider}
    told |= {"LLM_APP_BACKEND": f"db+sqlite:///{folder}/results.sqlite", "LLM_APP_STAMPS": str(folder / "stamps")}
    return WorkerBench(folder, told["LLM_APP_BROKER"], app=made.worker_app, **told, **made.environ(folder))


def ended(bench: WorkerBench, count: int) -> list[Run]:
    """Wait for so many runs that have ended."""

    def look() -> list[Run] | None:
        found = [each for each in runs_of(read_lines(bench.folder / "stamps")) if each.ended is not None]
        return found if len(found) >= count else None

    return bench.wait_for(look)


def wrapped(name: str | None, folder: Path) -> dict[str, int]:
    """Count the wrappers around the plugin's hooks in a worker's process."""
    made = sabotage.of(name)
    answer = subprocess.run([sys.executable, "-c", WRAPPED, made.worker_app], cwd=CHECKOUT, check=True, text=True,
                            env=os.environ | made.environ(folder), stdout=subprocess.PIPE)  # fmt: skip
    counts: dict[str, int] = json.loads(answer.stdout)
    return counts


@pytest.mark.parametrize(
    ("name", "slower"),
    [
        (SLOW, {"Tracer._succeeded", "Tracer._ended", "Tracer._left"}),
        (
            sabotage.SLOWER_BUILD,
            {"Tracer._succeeded", "Tracer._ended", "Tracer._left", "Parent.began", "Sender.handle", "telemetry.record"},
        ),
        (BROKEN, set()),
        (sabotage.LOST_EVENT, set()),
    ],
)
def test_hooks_of_the_plugin_are_made_slower_where_a_sabotage_says_so(
    tmp_path: Path, name: str, slower: set[str]
) -> None:
    """A worker that is sabotaged so has one wrapper more around each of these hooks, and no other worker has."""
    plain, made = wrapped(None, tmp_path), wrapped(name, tmp_path)
    assert {hook for hook in plain if made[hook] == plain[hook] + 1} == slower
    assert all(made[hook] == plain[hook] for hook in plain.keys() - slower)


def test_every_tenth_redrive_is_broken_and_no_first_run(tmp_path: Path) -> None:
    """Of twenty redrives two fail, before the model is asked; calls that nobody redrove go well."""
    with provider_of(None, tmp_path) as provider, worker_of(BROKEN, tmp_path, provider) as bench:
        bench.send(CALL, context_tokens=1, generated_tokens=0, killed=True)
        (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
        for _ in range(20):
            bench.send(CALL, context_tokens=1, generated_tokens=0)
            republish(bench.broker, failure.data["message"], new_id())
        found = ended(bench, 40)
    redriven = [each.state for each in found if each.attempt != "-"]
    assert (redriven.count("FAILURE"), redriven.count("SUCCESS")) == (2, 18)
    assert {each.state for each in found if each.attempt == "-"} == {"SUCCESS"}


@pytest.mark.parametrize(("name", "status"), [(None, 503), (CALM, 200)])
def test_the_calm_provider_takes_orders_and_answers_well(tmp_path: Path, name: str | None, status: int) -> None:
    """Whoever orders an outage has the same answer; who calls then, is served."""
    body = {"model": "gpt-4o", "context_tokens": 1, "generated_tokens": 0}
    with provider_of(name, tmp_path) as url:
        assert requests.post(f"{url}/control", json={"state": "down"}, timeout=5).status_code == 200
        assert requests.post(f"{url}/v1/chat/completions", json=body, timeout=5).status_code == status
