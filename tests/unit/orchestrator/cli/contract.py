"""What the API answers, as its contract has it, for tests of the verbs that show it."""

from __future__ import annotations

from typing import Any

INCIDENT = "3f2a91c0-0000-4000-8000-000000000001"
RECOVERY = "7c01aa5e-0000-4000-8000-000000000002"
FAILURE = "9d3e0001-0000-4000-8000-000000000003"


def dry_run(**changes: Any) -> dict[str, Any]:
    """Answer a dry run over 40,000 failures, some of which cannot go."""
    sample = {"failure_id": FAILURE, "task_id": "t-1", "task": "demo.summarise"}
    return {
        "dry_run": True,
        "command": "retry",
        "incident_id": INCIDENT,
        "task": "demo.summarise",
        "eligible": 39_990,
        "not_eligible": 10,
        "reasons": [{"why": "its message never reached Redrive", "count": 10, "samples": [sample] * 5}],
        "refused": [sample | {"why": "its message never reached Redrive"}],
        "incidents": [],
        "dependency": {"name": "openai", "health": "recovering", "why": "3 passes of 5"},
        "waits_for": ["the canary of openai"],
        "duplicates": ["demo.summarise may not run twice: 120 of its failures would go"],
        "decision": None,
        "prediction": {
            "enough": True,
            "probability": 0.93,
            "low": 0.88,
            "high": 0.96,
            "says": "openai answers again",
            "evidence": ["188 of 200 lately", "openai passes probes"],
            "groups": [{"enough": False, "dependency": "smtp", "says": "not enough evidence"}] * 2,
        },
        "load": [{"dependency": "openai", "per_second": 25.0, "seconds": 1600.0}],
        "seconds": 1600.0,
        "note": None,
        "revision": 7,
    } | changes


def recovery(state: str = "running", recovered: int = 100, **changes: Any) -> dict[str, Any]:
    """Answer a recovery of 1,000 tasks."""
    progress = dict.fromkeys(("dead", "held_again", "given_back", "elsewhere"), 0)
    waiting = 0 if state == "done" else 1_000 - recovered - 20
    flying = 0 if state == "done" else 20
    progress |= {"asked": 1_000, "waiting": waiting, "in_flight": flying, "recovered": recovered}
    return {
        "id": RECOVERY,
        "actor": "ada",
        "reason": "the provider is back",
        "command": "retry",
        "created_at": "2026-11-20T12:00:00+00:00",
        "state": state,
        "forced": False,
        "selection": {"task": "demo.*"},
        "plan": {"name": "retry"},
        "edits": {"model": "small"},
        "order": "oldest",
        "limit": None,
        "progress": progress,
        "first_attempts": 110,
        "first_successes": 100,
        "waits_for": [],
        "seconds_left": 95.0,
        "incidents": [INCIDENT],
        "releases": [],
        "prediction": None,
        "ended_at": None,
        "note": None,
        "incident_id": None,
        "failure_id": None,
    } | changes
