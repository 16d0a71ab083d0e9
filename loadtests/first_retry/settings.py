"""What Redrive is told in its arm: values of the world, divided by the scale of the run as every contestant's are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.first_retry.plan import Plan

# The pack's own defaults, in seconds of the world (packs/redrive/actions/retry.yaml).
RETRY: Final[Mapping[str, float]] = {"first_after_seconds": 1.0, "max_distance_seconds": 300.0}
# How often a dependency in trouble is probed, in seconds of the world.
PROBE_SECONDS: Final = 60.0
# What an operator sets for dependencies that get a call every few minutes (docs/dependencies.md); the rest is default.
TIMES: Final[Mapping[str, float]] = {"half_life": 1_000.0, "live_for": 1_000.0, "patience": 86_400.0}
NUMBERS: Final[Mapping[str, float]] = {"minimum": 1}


def retry_defaults(plan: Plan) -> dict[str, Any]:
    """Give the inputs of the workflow `retry` at the run's pace."""
    return {name: seconds / plan.scale for name, seconds in RETRY.items()}


def environ(plan: Plan, provider: str) -> dict[str, str]:
    """Give the orchestrator's settings: every dependency is declared, and probed over HTTP."""
    numbers = {name: seconds / plan.scale for name, seconds in TIMES.items()} | dict(NUMBERS)
    every = PROBE_SECONDS / plan.scale
    tables = {
        name: numbers | {"probe": {"http": f"{provider}/health/{name}", "every_seconds": every}}
        for name in plan.dependencies
    }
    return {"REDRIVE_DEPENDENCIES": json.dumps(tables)}


def told() -> str:
    """Say what is set, in seconds of the world."""
    shown = {**RETRY, "probe every_seconds": PROBE_SECONDS, **TIMES, **NUMBERS}
    return ", ".join(f"{name} {value:g}" for name, value in shown.items())
