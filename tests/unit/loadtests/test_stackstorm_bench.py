"""The StackStorm benchmark's verdict, on figures that are given; and its pack and watching, on a server that runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from loadtests.bench import stackstorm
from loadtests.bench.stackstorm import LOADS, REAL_MEGABYTES, REAL_MS, REAL_PER_SECOND, Measured
from loadtests.stackstorm import pack
from loadtests.stackstorm.measuring import (
    ACTION,
    ACTION_ENDED,
    ACTION_RUNS,
    WORKFLOW,
    WORKFLOW_ENDED,
    Bench,
    Load,
    Rate,
)
from loadtests.stackstorm.server import served

if TYPE_CHECKING:
    from pathlib import Path

GOOD = Measured(
    latencies={name: [p50 / 100] * 20 for name, (p50, _) in REAL_MS.items()},
    rates={name: [Rate(real * 100, 1.0, 0.1)] * 3 for name, real in REAL_PER_SECOND.items()},
    memory=(90.0, 60.0),
    ready=[0.5, 0.6, 1.0],
)
SLOW = {**GOOD.latencies, ACTION_ENDED: [379.0 / 49] * 20}


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        (GOOD, []),
        (replace(GOOD, latencies=SLOW), ["action_succeeded: p50: 49.0 times the real one's speed"]),
        (
            replace(GOOD, rates={**GOOD.rates, "noops": [Rate(9.3 * 49, 1.0, 0.1)]}),
            ["noops: 49.0 times the real one's speed"],
        ),
        (replace(GOOD, memory=(250.0, 60.0)), ["memory: 250 MB"]),
        (replace(GOOD, ready=[0.5, 0.6, 1.2]), ["ready: 1.20 s"]),
        (replace(GOOD, latencies={**GOOD.latencies, "accepted": [4.0] * 20}), []),
    ],
    ids=["good", "latency", "rate", "memory", "ready", "accepted has no target"],
)
def test_what_misses_its_target_is_named_and_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: Measured, missed: list[str]
) -> None:
    """99 says that a target was missed, and the report which; 50 times the real one's speed is enough."""
    monkeypatch.setattr(stackstorm, "measured", lambda: found)
    assert stackstorm.main(True) == (99 if missed else 0)
    report = json.loads(capsys.readouterr().out)
    assert report["missed"] == missed
    assert report["memory_times_less"] == round(REAL_MEGABYTES / found.memory[0], 1)
    assert stackstorm.main(False) == (99 if missed else 0)
    assert all(each in capsys.readouterr().out for each in missed)


def test_a_server_is_measured(tmp_path: Path) -> None:
    """Each sample's moments come in their order, each load ends, and CPU and memory are of a running process."""
    with served(tmp_path, [pack.write(tmp_path)]) as server:
        bench = Bench(server)
        action, workflow = bench.sample(ACTION), bench.sample(WORKFLOW)
        rates = [bench.rate(Load(load.name, load.action, 2)) for load in LOADS]
        summed, shared_once = server.memory_megabytes()
        bench.close()
    assert action["accepted"] > 0  # when the caller is told is the caller's turn: on a busy machine, after the end
    assert 0 < action[ACTION_RUNS] < action[ACTION_ENDED]
    assert 0 < workflow["workflow_runs"] < workflow[WORKFLOW_ENDED]
    assert all(rate.per_second > 0 for rate in rates)
    assert summed >= shared_once > 5
    assert 0 < server.ready_seconds < 30
