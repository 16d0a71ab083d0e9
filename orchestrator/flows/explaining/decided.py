"""Steps of what was decided for an incident: triggers with their rules and executions, the plan, releases, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventbus.wire import INCIDENT_PLANNED
from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.events import row_key
from orchestrator.domain.ids import derive
from orchestrator.domain.incidents import DECIDING
from orchestrator.domain.plan import PlanName
from orchestrator.domain.release import ReleaseState
from orchestrator.domain.story import Step
from orchestrator.flows.announcing import SOURCE
from orchestrator.flows.explaining.words import at, counted, cut, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from orchestrator.domain.commands import Command
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.plan import Gate, Plan, Route
    from orchestrator.domain.release import Release, ReleaseCounts
    from orchestrator.flows.explaining.known import Known

PREFIX: Final = "redrive."
# What a command changed, shown in a line.
MOST_CHANGED: Final = 4


def steps_of_decision(tx: LedgerTx, incident: Incident, known: Known) -> Iterator[Step]:
    """Tell of every trigger (when it went, which rule fired, which execution answered, or why none did), and behind the
    one that the plan answers, of the plan.
    """
    dispatches = tx.dispatches_of(incident.id)
    plan, answered = incident.plan, _answered(dispatches, incident)
    if plan and answered is None:
        yield _plan(incident, plan, None, known)
    for dispatch in dispatches:
        yield _trigger(dispatch)
        if plan and dispatch is answered:
            yield _plan(incident, plan, dispatch, known)


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
        what="trigger.sent" if dispatch.sent_at else "trigger.queued",
        text=f"trigger {name}: {_answer(dispatch, rules, executions)}",
        by="StackStorm" if dispatch.rules else None,
        rule=rules or None,
        execution_id=executions or None,
    )


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


def _plan(incident: Incident, plan: Plan, answers: Dispatch | None, known: Known) -> Step:
    """Tell which plan the incident has, by whom and why; the ledger keeps no time of it."""
    by_rule = answers is not None and plan.execution_id in answers.execution_ids
    return Step(
        at=planned_at(incident, plan, known),
        what="plan.accepted",
        text=f"plan {plan.name}{_route(plan.route)}: {cut(plan.reason)}; {gate_words(plan)}",
        by=maker(plan),
        rule=", ".join(answers.rules) if answers and by_rule else None,
        execution_id=plan.execution_id,
    )


def planned_at(incident: Incident, plan: Plan, known: Known) -> datetime | None:
    """Give when the incident got its plan, by the event that told of it."""
    for revision in {incident.asked_on, incident.revision}:
        more = ("built in",) if plan.built_in else ()
        moment = known.told_at(row_key(SOURCE, str(derive(INCIDENT_PLANNED, incident.id, revision, *more))))
        if moment:
            return moment
    return None


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


def running(tx: LedgerTx, incident: Incident) -> list[Release]:
    """List the releases of an incident that have not ended."""
    over = (ReleaseState.SUCCEEDED, ReleaseState.FAILED)
    return [each for each in tx.releases_of(incident.id) if each.state not in over]


def step_of_command(command: Command) -> Step:
    """Tell who asked for what, and why, and what it changed."""
    forced = ", forced" if command.forced else ""
    text = f"{command.kind}{forced} by {command.actor}: {cut(command.reason)}{_changed(command.after)}"
    return Step(command.created_at, f"command.{command.kind}", text, by=command.actor)


def _changed(after: Mapping[str, Any]) -> str:
    told = [f"{name} {cut(str(value), 60)}" for name, value in after.items() if isinstance(value, str | int | float)]
    return f" ({', '.join(told[:MOST_CHANGED])})" if told else ""
