"""The accounts of a demo: asked of the running parts, and held against each other."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import requests

from orchestrator.dev.demo_result import DemoResult
from orchestrator.warehouse.queries import cost_by_model, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.dev.demo import Demo

LEAST_FAILED: Final = 100
ASK_SECONDS: Final = 10.0


def account(demo: Demo, seconds: float) -> DemoResult:
    """Gather the figures of a demo that has come to its end."""
    incidents = demo.incidents()
    failures = demo.ask("/api/v1/summary")["failures"]
    costs = {each.model: each.usd_cost for each in cost_by_model(demo.warehouse)}
    told: dict[str, Any] = {
        "calls": demo.calls,
        "succeeded": demo.apps.succeeded(),
        "failed": sum(failures.values()),
        "incidents": len(incidents),
        "recovered": failures.get("recovered", 0),
        "cost_usd": sum(costs.values(), Decimal(0)),
        "costs": costs,
        "sinks": demo.ask("/api/v1/sinks"),
        "first_retry": demo.ask("/api/v1/first-retry"),
        "settled": demo.settled(),
        "dataplane": requests.get(f"{demo.stack.dataplane_url}/stats", timeout=ASK_SECONDS).json(),
        "story": story(max(incidents, key=lambda each: int(each["size"]))) if incidents else {},
        "assumed": demo.apps.assumed(),
        "seconds": seconds,
    }
    return DemoResult(**told, checks=_checks(told, incidents, rows(demo.warehouse)))


def story(incident: Mapping[str, Any]) -> dict[str, Any]:
    """Tell one incident: what it was, which rule and execution decided what, and how it went."""
    deciding = [each for each in incident["dispatches"] if each["trigger"] == "redrive.incident_opened"]
    plan = incident["plan"] or {"name": None, "reason": None}
    releases = incident["releases"]
    return {
        **{name: incident[name] for name in ("id", "size", "kind", "why", "state", "signature", "task")},
        "rules": [rule for each in deciding for rule in each["rules"]],
        "executions": [execution for each in deciding for execution in each["execution_ids"]],
        "plan": plan["name"],
        "plan_reason": plan["reason"],
        "attempts": sum(each["attempts"] for each in releases),
        "first_attempts": sum(each["first_attempts"] for each in releases),
        "first_successes": sum(each["first_successes"] for each in releases),
    }


def _checks(told: Mapping[str, Any], incidents: list[dict[str, Any]], in_warehouse: int) -> dict[str, bool]:
    sinks, first, settled, dataplane = told["sinks"], told["first_retry"], told["settled"], told["dataplane"]
    dispatches = [each for incident in incidents for each in incident["dispatches"]]
    names = ("first_attempts", "first_successes")
    return {
        "every call succeeded in the end": told["succeeded"] == told["calls"],
        "every failure is recovered": told["recovered"] == told["failed"],
        f"the outage made at least {LEAST_FAILED} calls fail": told["failed"] >= LEAST_FAILED,
        "rules fired": any(each["rules"] for each in dispatches),
        "executions decided": all(each["plan"] and each["plan"]["execution_id"] for each in incidents),
        "tasks were redriven": first["first_attempts"] > 0,
        "each sink's counts add up, and nothing is pending or dead": all(
            each["adds_up"] and each["pending"] == each["dead"] == 0 for each in sinks.values()
        ),
        "the warehouse holds each delivered call once": in_warehouse == sinks["warehouse"]["delivered"],
        "the data plane holds each delivered event": dataplane["distinct"] == sinks["rudderstack"]["delivered"],
        "StackStorm's settle agrees with the ledger": all(settled[name] == first[name] for name in names),
    }
