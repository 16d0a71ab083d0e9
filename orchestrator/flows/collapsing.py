"""Collapsing: many incidents of one dependency in a short time share few triggers, and the answers to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.dispatches import TO_ASK_ABOUT, TO_SEND, Dispatch, DispatchState
from orchestrator.domain.incidents import DECIDING
from orchestrator.domain.turns import MINUTE, turn
from orchestrator.flows.recovery import accept_plan
from orchestrator.flows.standing_in import NOTHING_HAPPENS
from orchestrator.flows.triggers import say_undecided

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.plan import Plan

BATCH: Final = 100
# How often a trigger that stands for others is tried, about 15 seconds long, before they ask without it.
LEADS_FOR: Final = 6
ON_ITS_WAY: Final = (*TO_SEND, *TO_ASK_ABOUT)


def admit(tx: LedgerTx, dispatch: Dispatch, now: datetime, per_minute: int) -> Dispatch | None:
    """Let a trigger go, as one that is being sent; None for one that waits or that another one stands for.

    One that leads stands for all that wait like it: its payload says for how many.
    """
    stored = tx.dispatch(dispatch.id) or dispatch
    if stored.state is not DispatchState.PENDING:
        return None
    incident = tx.incident(dispatch.incident_id)
    if incident is not None and dispatch.trigger in DECIDING:
        given = turn(tx.sent_since(incident, now - MINUTE), now, per_minute)
        if given.wait:
            tx.put_off(incident, now + given.wait, f"waits: of one dependency at most {per_minute} go in a minute")
            return None
        others = tx.collapse(incident) if given.leads else 0
        stored = replace(stored, payload={**stored.payload, "stands_for": others + 1})
    going = replace(stored, state=DispatchState.SENDING, sent_at=None)
    tx.save_dispatch(going)
    return going


def turned_away(tx: LedgerTx, refused: Dispatch, now: datetime) -> Dispatch:
    """Have a trigger that StackStorm would not take wait for another turn, in which another may stand for it; what it
    stood for asks without it. The try counts as one that went.
    """
    tx.let_go(refused.incident_id)
    return replace(refused, state=DispatchState.PENDING, sent_at=now)


def borne(tx: LedgerTx, failing: Dispatch, now: datetime) -> Dispatch:
    """Bear with a trigger that cannot be sent, for LEADS_FOR tries; then what it stands for asks without it."""
    leads = failing.state is DispatchState.SENDING and failing.payload.get("stands_for", 1) > 1
    if not leads or failing.sent_at or failing.tries < LEADS_FOR:
        return failing
    tx.let_go(failing.incident_id)
    return replace(failing, sent_at=now)


def tell_led(tx: LedgerTx, leader_id: UUID, note: str) -> int:
    """Show on incidents why the trigger that stands for theirs does not go, some at a time; gives their number."""
    untold = tx.untold(leader_id, note, BATCH)
    for each in untold:
        say_undecided(tx, each, note)
    shown = [tx.incident(each.incident_id) for each in untold]
    return sum(each is not None and each.note == note for each in shown)


def spread(tx: LedgerTx, now: datetime) -> int:
    """Give what was decided for an incident to those that its trigger stood for, some at a time; gives their number."""
    for leader_id in tx.leaders():
        led = tx.collapsed(leader_id, BATCH)
        leader, told = tx.incident(leader_id), tx.dispatches_of(leader_id)
        plan = _decided(leader)
        known = plan is not None and any(plan.execution_id in each.execution_ids for each in told)
        if not known and any(each.trigger in DECIDING and each.state in ON_ITS_WAY for each in told):
            continue
        for each in led:
            _end(tx, each, leader, told, now)
        return len(led)
    return 0


def _end(tx: LedgerTx, led: Dispatch, leader: Incident | None, told: Sequence[Dispatch], now: datetime) -> None:
    incident = tx.incident(led.incident_id)
    if incident is None or incident.closed or _decided(incident) or incident.revision != led.payload["revision"]:
        tx.save_dispatch(replace(led, state=DispatchState.ENDED, note="another answer came before"))
    elif leader and (decided := _decided(leader)):
        plan = shared(leader, decided)
        accept_plan(tx, incident.id, plan, incident.revision, now)
        tx.save_dispatch(_ended_with(led, leader, plan, told))
    elif unmatched := _unmatched(told):
        say_undecided(tx, led, f"{unmatched.note}: {NOTHING_HAPPENS}")
        tx.save_dispatch(replace(led, state=DispatchState.NO_RULE, next_at=unmatched.next_at, note=unmatched.note))
    else:  # nothing was decided: each asks for itself
        tx.save_dispatch(replace(led, state=DispatchState.PENDING, next_at=now, led_by=None))


def _unmatched(told: Sequence[Dispatch]) -> Dispatch | None:
    """Give the newest trigger that asked for a decision and that no rule answered."""
    asked = (each for each in reversed(told) if each.trigger in DECIDING)
    return next((each for each in asked if each.state is DispatchState.NO_RULE), None)


def shared(leader: Incident, plan: Plan) -> Plan:
    """Give the plan of an incident as it is given to those that its trigger stood for: by the same execution."""
    return replace(plan, reason=f"{plan.reason}; decided with incident {leader.id}, whose trigger stood for this one's")


def _ended_with(led: Dispatch, leader: Incident, plan: Plan, told: Sequence[Dispatch]) -> Dispatch:
    answer = next((each for each in told if plan.execution_id in each.execution_ids), led)
    return replace(
        led,
        state=DispatchState.ENDED,
        note=f"the trigger of incident {leader.id} stood for this one",
        execution_ids=(plan.execution_id,) if plan.execution_id else (),
        rules=answer.rules,
        trigger_instance_id=answer.trigger_instance_id,
    )


def _decided(incident: Incident | None) -> Plan | None:
    """Give the plan that an incident has from its rules; the built-in one is none."""
    plan = incident.plan if incident else None
    return plan if plan and not plan.built_in else None
