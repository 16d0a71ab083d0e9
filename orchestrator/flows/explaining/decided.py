"""Steps of what was decided for an incident: triggers with their rules and executions, the plan, releases, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.auditing import AuditQuery
from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.incidents import ASKING, DECIDING, Trigger
from orchestrator.domain.plan import PlanName
from orchestrator.domain.story import Step
from orchestrator.flows.auditing import EXHAUST, PLAN
from orchestrator.flows.explaining.words import at, counted, cut, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.domain.auditing import AuditEntry
    from orchestrator.domain.commands import Command
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.plan import Gate, Plan, Route
    from orchestrator.domain.release import Release, ReleaseCounts

PREFIX: Final = "redrive."
# Triggers that tell rules how something ended: nothing is to be decided by them.
OUTCOMES: Final = frozenset({Trigger.RELEASE_SUCCEEDED, Trigger.RELEASE_FAILED, Trigger.INCIDENT_RECOVERED})
# What a command changed, shown in a line.
MOST_CHANGED: Final = 4
# Entries of the audit of one incident that are looked through for plans: the newest.
MOST_AUDITED: Final = 1_000


def steps_of_decision(tx: LedgerTx, incident: Incident) -> Iterator[Step]:
    """Tell of every trigger (when it went, which rule fired, which execution answered, or why none did), and of every
    plan that the incident got, as the audit has it. What nobody has to answer and nobody did answer is left out.
    """
    # What tells of single failures decides nothing, and there may be thousands.
    dispatches = [each for each in tx.dispatches_of(incident.id) if each.trigger != Trigger.TASK_FAILED]
    plans = _audited(tx, incident)
    yield from (_plan_of(entry, incident) for entry in plans)
    answered = None if plans else _answered(dispatches, incident)
    for dispatch in dispatches:
        if dispatch.trigger in ASKING or dispatch.rules or dispatch.execution_ids:
            yield _trigger(dispatch)
        if dispatch is answered:
            yield from _untimed(incident)
    if answered is None and not plans:
        yield from _untimed(incident)


def _audited(tx: LedgerTx, incident: Incident) -> list[AuditEntry]:
    """Give what the audit has of plans of an incident, and of their end, oldest first."""
    found = tx.audited(AuditQuery(incident_id=incident.id), MOST_AUDITED)
    return [each for each in reversed(found) if each.verb in (PLAN, EXHAUST)]


def _plan_of(entry: AuditEntry, incident: Incident) -> Step:
    """Tell of a plan when it was accepted; of one that is not the present plan, what the audit has of it."""
    if entry.verb == EXHAUST:
        return Step(entry.at, "incident.exhausted", cut(entry.reason), by=entry.actor, execution_id=entry.execution_id)
    told = entry.after.get("plan") or {}
    plan = incident.plan
    present = plan is not None and (plan.name, plan.execution_id, plan.reason) == (
        told.get("name"),
        entry.execution_id,
        entry.reason,
    )
    words = _words_of(plan) if plan and present else f"{told.get('name')}: {cut(entry.reason)}; not the plan any more"
    by = maker(plan) if plan and present else entry.actor
    return Step(entry.at, "plan.accepted", f"plan {words}", by=by, rule=entry.rule, execution_id=entry.execution_id)


def _answered(dispatches: list[Dispatch], incident: Incident) -> Dispatch | None:
    """Give the trigger that the plan answers: its execution's, else the last one that asked for a decision."""
    made_by = incident.plan.execution_id if incident.plan else None
    named = next((each for each in dispatches if made_by in each.execution_ids), None)
    return named or undecided(dispatches)


def _trigger(dispatch: Dispatch) -> Step:
    name = dispatch.trigger.removeprefix(PREFIX)
    rules, executions = ", ".join(dispatch.rules), ", ".join(dispatch.execution_ids)
    return Step(
        at=dispatch.sent_at or dispatch.created_at,
        what=_what(dispatch),
        text=f"trigger {name}: {_answer(dispatch, rules, executions)}",
        by="StackStorm" if dispatch.rules else None,
        rule=rules or None,
        execution_id=executions or None,
    )


def _what(dispatch: Dispatch) -> str:
    if dispatch.trigger in OUTCOMES:
        return "outcome.told"
    return "trigger.sent" if dispatch.sent_at else "trigger.queued"


def _answer(dispatch: Dispatch, rules: str, executions: str) -> str:
    note = f": {cut(dispatch.note)}" if dispatch.note else ""
    if rules or executions:
        ended = "ended" if dispatch.state is DispatchState.ENDED else "runs"
        many = "s" if len(dispatch.execution_ids) > 1 else ""
        return f"rule {rules or '(not told)'} fired; execution{many} {executions or '(none yet)'} {ended}"
    return _UNANSWERED[dispatch.state].format(note=note, leader=dispatch.led_by or "another incident")


_UNANSWERED: Final[Mapping[DispatchState, str]] = {
    DispatchState.PENDING: "it waits to be sent{note}",
    DispatchState.SENDING: "it is being sent{note}",
    DispatchState.SENT: "sent; no rule has fired yet{note}",
    DispatchState.FIRED: "a rule fired{note}",
    DispatchState.ENDED: "over, with no answer of its own{note}",
    DispatchState.NO_RULE: "no rule answered{note}",
    DispatchState.COLLAPSED: "not sent: the trigger of incident {leader} stands for it{note}",
}


def undecided(dispatches: list[Dispatch]) -> Dispatch | None:
    """Give the newest trigger that asks for a decision; None where none was asked for."""
    return next((each for each in reversed(dispatches) if each.trigger in DECIDING), None)


def _untimed(incident: Incident) -> Iterator[Step]:
    """Tell which plan the incident has where the audit does not know of it: nobody noted when it came."""
    plan = incident.plan
    if plan:
        text = f"plan {_words_of(plan)}"
        yield Step(None, "plan.accepted", text, by=maker(plan), execution_id=plan.execution_id)


def _words_of(plan: Plan) -> str:
    return f"{plan.name}{_route(plan.route)}: {cut(plan.reason)}; {gate_words(plan)}"


def maker(plan: Plan) -> str:
    """Say who made a plan."""
    if plan.built_in:
        return "built in, StackStorm being away"
    return f"execution {plan.execution_id}" if plan.execution_id else "a person"


def gate_words(plan: Plan) -> str:
    """Say when what the plan redrives may go."""
    if plan.name is PlanName.ESCALATE:
        return "nothing is redriven; a person decides"
    if not plan.redrives:
        return "nothing is redriven"
    return _gate(plan.gate)


def _gate(gate: Gate) -> str:
    if gate.schedule:
        return f"at the times of '{gate.schedule.cron}' ({gate.schedule.timezone}), {gate.max_tries} tries"
    first = f"not before {at(gate.at)}" if gate.at else f"a canary after {span(gate.first_after)}"
    return f"{first}, {gate.max_tries} tries at most"


def _route(route: Route | None) -> str:
    if route is None:
        return ""
    if route.table:
        return " by the table of routes"
    place = route.queue or (f"{route.exchange}/{route.routing_key}" if route.exchange is not None else None)
    kwargs = f" with {', '.join(sorted(route.kwargs))} changed" if route.kwargs else ""
    return f" to {place or 'where it was'}{kwargs}"


def steps_of_release(tx: LedgerTx, release: Release) -> Iterator[Step]:
    """Tell when a release began and how it ended, with its counts."""
    forced = ", forced" if release.forced else ""
    whose = "a command's release" if release.command_id else "the release"
    if release.started_at:
        text = f"{whose} ({release.plan.name}{forced}) opened; the first to go is a canary"
        yield Step(release.started_at, "release.started", text, execution_id=release.plan.execution_id)
    if release.ended_at:
        text = f"{whose} {release.state}: {_counts(tx.release_counts(release.id))}{_because(release.note)}"
        yield Step(release.ended_at, "release.ended", text)


def _counts(counts: ReleaseCounts) -> str:
    first = f"{counts.first_successes:,} of {counted(counts.first_attempts, 'first attempt')} succeeded"
    return f"{first}, {counts.successes:,} of {counted(counts.attempts, 'redrive')} in all"


def _because(note: str | None) -> str:
    return f"; {cut(note)}" if note else ""


def step_of_command(command: Command) -> Step:
    """Tell who asked for what, and why, and what it changed."""
    forced = ", forced" if command.forced else ""
    text = f"{command.kind}{forced} by {command.actor}: {cut(command.reason)}{_changed(command.after)}"
    return Step(command.created_at, f"command.{command.kind}", text, by=command.actor)


def _changed(after: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in after.items() if value is None or isinstance(value, str | int | float)}
    told = [f"{name} {'none' if value is None else cut(str(value), 60)}" for name, value in plain.items()]
    return f" ({', '.join(told[:MOST_CHANGED])})" if told else ""
