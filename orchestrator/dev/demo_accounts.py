"""The accounts of a demo: asked of the running parts, and held against each other."""

from __future__ import annotations

import time
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from orchestrator.dev.demo_compare import clock_zero
from orchestrator.dev.demo_faults import by_kind, costs, malformed_wait, wrong
from orchestrator.dev.demo_prompts import near_duplicates, scored
from orchestrator.dev.demo_record import Record
from orchestrator.dev.demo_result import DemoResult
from orchestrator.domain.events import SinkCounts
from orchestrator.warehouse.queries import cost_by_model, rows
from orchestrator.warehouse.schema import STORE as WAREHOUSE
from orchestrator.warehouse.schema import model_cost_logs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Engine

    from orchestrator.dev.demo_arm import Arm
    from orchestrator.dev.demo_faults import FaultCounts

OUTAGE = "outage"
LOOKS: Final = 50
LOOK_SECONDS: Final = 0.2


def account(arm: Arm, started: float) -> tuple[DemoResult, Record]:
    """Gather the figures of an arm that has come to its end and still runs; the record stays open."""
    warehouse = WAREHOUSE.open(arm.engines.warehouse)
    try:
        incidents = arm.ask.incidents()
        record = Record.of(arm.folder, arm.folder, answers(warehouse), arm.ask.waiting(incidents))
        record.add_prompts(scored(warehouse))
        return _result(arm, incidents, record, warehouse, started), record
    finally:
        warehouse.dispose()


def answers(warehouse: Engine) -> Iterator[str]:
    """Stream the ids of the provider's answers that have a cost."""
    with warehouse.connect() as connection:
        query = select(model_cost_logs.c.response_id)
        yield from connection.execution_options(yield_per=1_000).execute(query).scalars()


def _sums(arm: Arm) -> dict[str, Any]:
    """Ask for the counts of every sink; its rate and its circuits belong to the moment."""
    names = (*(each.name for each in fields(SinkCounts)), "adds_up")
    sinks = arm.ask.api("/api/v1/sinks").items()
    return {sink: {name: told[name] for name in names} for sink, told in sinks}


def _at_rest(arm: Arm, warehouse: Engine) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Count sinks, data plane and warehouse at one moment: a worker's heartbeat may come between two of them."""
    for _ in range(LOOKS):
        sinks = _sums(arm)
        found = sinks, arm.ask.dataplane(), rows(warehouse)
        if not any(each["pending"] for each in sinks.values()) and _sums(arm) == sinks:
            break
        time.sleep(LOOK_SECONDS)
    return found


def _result(arm: Arm, incidents: list[dict[str, Any]], record: Record, warehouse: Engine, started: float) -> DemoResult:
    failures = arm.ask.api("/api/v1/summary")["failures"]
    sinks, dataplane, in_warehouse = _at_rest(arm, warehouse)
    spent = {each.model: each.usd_cost for each in cost_by_model(warehouse)}
    told: dict[str, Any] = {
        "calls": arm.plan.calls,
        "succeeded": int(record.number("SELECT count(*) FROM results WHERE state = 'SUCCESS'")),
        "failed": sum(failures.values()),
        "incidents": len(incidents),
        "recovered": failures.get("recovered", 0),
        "waiting": failures.get("held", 0),
        "cost_usd": sum(spent.values(), Decimal(0)),
        "costs": spent,
        "completeness": costs(record),
        "faults": by_kind(record, list(arm.plan.planned)),
        "wrong": wrong(record),
        "near_duplicates": near_duplicates(record),
        "sinks": sinks,
        "first_retry": arm.ask.api("/api/v1/first-retry"),
        "settled": arm.ask.settled(),
        "dataplane": dataplane,
        "story": story(max(incidents, key=lambda each: int(each["size"]))) if incidents else {},
        "told_incidents": [_brief(each, clock_zero(record)) for each in incidents],
        "assumed": arm.apps.assumed() | {"seed": arm.plan.seed},
        "seconds": time.monotonic() - started,
    }
    checks = _checks(told, incidents, in_warehouse) | {
        "the malformed calls, and only they, wait for a person": malformed_wait(record),
        "each kind of fault was met": _met(told["faults"], arm),
    }
    return DemoResult(**told, checks=checks)


def _met(faults: Sequence[FaultCounts], arm: Arm) -> bool:
    """Tell whether every kind was met that had a call of its own, or an outage that nothing could miss."""
    planned = arm.plan.planned
    first = [each["kind"] for each in sorted(arm.plan.windows, key=lambda each: float(each["at"]))[:1]]
    return all(each.calls > 0 for each in faults if planned.get(each.kind) or each.kind in first)


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


def _brief(incident: Mapping[str, Any], zero: float) -> dict[str, Any]:
    names = ("id", "kind", "why", "state", "size", "opened_at", "closed_at")
    return {name: incident[name] for name in names} | {"plan": (incident["plan"] or {}).get("name"), "zero": zero}


def _checks(told: Mapping[str, Any], incidents: list[dict[str, Any]], in_warehouse: int) -> dict[str, bool]:
    sinks, first, settled, dataplane = told["sinks"], told["first_retry"], told["settled"], told["dataplane"]
    dispatches = [each for incident in incidents for each in incident["dispatches"]]
    names = ("first_attempts", "first_successes")
    return {
        "every call ended as the fault file says it can": not told["wrong"]
        and sum(each.failed for each in told["faults"] if each.kind == "malformed")
        == told["calls"] - told["succeeded"],
        "every failure is recovered, or waits for a person": told["recovered"] + told["waiting"] == told["failed"],
        "rules fired": any(each["rules"] for each in dispatches) or not incidents,
        "executions decided": all(each["plan"] and each["plan"]["execution_id"] for each in incidents),
        "each answer that a client received has its cost, once": told["completeness"]["missing"]
        == told["completeness"]["unknown"]
        == 0
        and told["completeness"]["received"] == told["completeness"]["recorded"],
        "each answered call has its prompt's sketch": told["near_duplicates"]["prompts"] == told["succeeded"],
        "each sink's counts add up, and nothing is pending or dead": all(
            each["adds_up"] and each["pending"] == each["dead"] == 0 for each in sinks.values()
        ),
        "the warehouse holds each delivered event once": in_warehouse == sinks["warehouse"]["delivered"],
        "the data plane holds each delivered event": dataplane["distinct"] == sinks["rudderstack"]["delivered"],
        "StackStorm's settle agrees with the ledger": all(settled[name] == first[name] for name in names),
    }
