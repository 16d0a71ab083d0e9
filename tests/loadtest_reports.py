"""Reports of load tests as `report.json` has them, made up: with the figures that a test wants."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

FIRST_NIGHT = datetime(2026, 11, 1, 2, 30, tzinfo=UTC)
MACHINE = {"kind": "4 cores, 16 GB, a processor, Linux, Python 3.11", "cores": 4}
CONTROL = {
    "loop_s": 0.02,
    "loop_cpu_s": 0.02,
    "tick_s": 0.002,
    "tick_cpu_s": 0.002,
    "fsync_s": 0.001,
    "loopback_s": 0.00003,
    "drift": 0.01,
}
VALUES = {
    "orchestrator_cpu_us_per_call": 5000.0,
    "api_p50_ms": 8.0,
    "worker_overhead_p50_ms": 0.25,
    "worker_cpu_overhead_us": 200.0,
    "overhead_p95_ms": 1.5,
    "first_retry_success": 0.98,
}


def figure(name: str, value: float | None, **more: Any) -> dict[str, Any]:
    """Make one figure."""
    unit = name.rpartition("_")[2]
    told = {"name": name, "unit": unit, "value": value, "low": None, "high": None, "samples": 900, "why_not": None}
    return told | more


def report(night: int = 0, values: Mapping[str, float | None] | None = None, **changes: Any) -> dict[str, Any]:
    """Make the report of a run; later nights are later."""
    began = FIRST_NIGHT + timedelta(days=night)
    told: dict[str, Any] = {
        "schema": 1,
        "run_id": f"{began:%Y%m%dT%H%M%SZ}-smoke-{night:06x}",
        "scenario": "smoke",
        "engines": "embedded",
        "started_at": began.isoformat(),
        "ended_at": (began + timedelta(seconds=130)).isoformat(),
        "seconds": 130.0,
        "commit": "0861986f0d7b6f0e",
        "dirty": False,
        "machine": MACHINE,
        "versions": {"python": "3.11.9", "celery": "5.5.3"},
        "settings": {"scenario": {"name": "smoke", "rate": 20.0, "seed": 1}, "sabotage": None, "seed": 1},
        "verdict": {"outcome": "passed", "exit_code": 0, "gates": [{"figure": "overhead_p95_ms", "met": True}]},
        "figures": [figure(name, value) for name, value in {**VALUES, **(values or {})}.items()],
        "control": CONTROL,
        "series": {"latency": []},
        "problems": [],
    }
    return told | changes


def noisy(
    dice: Random, night: int, spread: float = 0.03, slower: float = 1.0, machine: float = 0.05, *, shared: float = 0.0
) -> dict[str, Any]:
    """Make the report of a run on a machine that is now faster and now slower, and its control with it.

    `shared` is by how much all figures swing together, the control not with them.
    """
    slower *= math.exp(dice.gauss(0, shared))
    pace = math.exp(dice.gauss(0, machine))
    tested = [name for name in VALUES if name not in ("overhead_p95_ms", "first_retry_success")]
    values = {name: VALUES[name] * slower * pace * math.exp(dice.gauss(0, spread)) for name in tested}
    control = {name: value * pace for name, value in CONTROL.items()}
    return report(night, values, control=control)
