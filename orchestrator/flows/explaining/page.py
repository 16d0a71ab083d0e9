"""A postmortem as a page of Markdown: every text that came from elsewhere is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain.markdown import escaped, quoted
from orchestrator.flows.explaining.words import at, counted, cut, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from orchestrator.domain.postmortem import Detection, Postmortem
    from orchestrator.domain.story import Step

NOT_RECORDED: Final = "not recorded"
LONGEST_TITLE: Final = 120


def page(found: Postmortem) -> str:
    """Give the page."""
    return "\n".join([*_head(found), *_body(found), ""])


def _head(found: Postmortem) -> Iterator[str]:
    yield f"# Postmortem: {escaped(cut(found.signature, LONGEST_TITLE))}"
    yield ""
    yield f"Incident {found.incident_id}, written at {at(found.written_at)} from what is recorded."
    yield ""
    leans = f"; it leans on {escaped(found.dependency)}" if found.dependency else ""
    yield f"- **What**: {escaped(cut(found.task))} failed as {found.kind}: {escaped(cut(found.why))}{leans}"
    yield f"- **State**: {found.state}{_because(found.note)}; severity {found.severity}; {_owner(found)}"


def _owner(found: Postmortem) -> str:
    return f"owner {escaped(found.owner)}" if found.owner else "nobody owns it"


def _because(note: str | None) -> str:
    return f": {escaped(cut(note))}" if note else ""


def _body(found: Postmortem) -> Iterator[str]:
    yield from _section("Impact", _impact(found))
    yield from _section("Detection", _detection(found.detection))
    yield from _section("Decisions", map(_step, found.decisions), "nothing was decided")
    yield from _section("Attempts", _attempts(found))
    yield from _section("What worked", map(escaped, found.worked), "nothing is recorded that brought a task back")
    yield from _section("Gaps", map(escaped, found.gaps), "none is recorded")
    yield from _section("Follow-ups", map(escaped, found.follow_ups), "none follows from what is recorded")
    yield from _section("Timeline", map(_step, found.timeline))
    yield from _sample(found)
    if found.gone:
        yield from _section("Not recorded any more", map(escaped, found.gone))


def _section(title: str, lines: Iterable[str], otherwise: str = NOT_RECORDED) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield from [f"- {line}" for line in lines] or [f"- {otherwise}"]


def _impact(found: Postmortem) -> Iterator[str]:
    sums, now = found.failures, "" if found.detection.closed_at else " so far"
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(sums.states.items()))
    number = f"{counted(sums.tasks, 'task')} in {counted(found.size, 'failure')}"
    yield f"**Tasks**: {number}{now} ({states or NOT_RECORDED})"
    yield f"**Minutes**: open for {span(found.seconds)}{now}; tasks waited {sums.waited / 60:,.1f} minutes in all"
    if found.held_seconds:
        yield f"**Held** by people for {span(found.held_seconds)}"
    yield f"**Money**: {_money(found)}"


def _money(found: Postmortem) -> str:
    money = found.money
    if money is None:
        return NOT_RECORDED
    asked = "" if money.tasks == money.of else f", of the first {money.tasks:,} of {counted(money.of, 'task')}"
    unpriced = f", {money.unpriced:,} of them without a price" if money.unpriced else ""
    return f"{money.usd.normalize():f} USD for {counted(money.calls, 'model call')}{unpriced}{asked}"


def _detection(found: Detection) -> Iterator[str]:
    yield f"**First failure**: {_at(found.first_failure_at)}"
    yield f"**Opened** (MTTD): {at(found.opened_at)}{_after(found.seconds_to_detect, 'after the first failure')}"
    yield f"**Rules asked**: {_at(found.told_at)}"
    yield f"**First alert**: {_at(found.alerted_at)}{_after(found.seconds_to_tell, 'after it opened')}"
    by = f" by {escaped(found.acknowledged_by)}" if found.acknowledged_by else ""
    known = _after(found.seconds_to_acknowledge, "after it opened")
    yield f"**Acknowledged** (MTTA): {_at(found.acknowledged_at)}{by}{known}"
    over = _after(found.seconds_to_resolve, "after it opened")
    yield f"**Closed** (MTTR): {_at(found.closed_at, 'not yet')}{over}"


def _attempts(found: Postmortem) -> Iterator[str]:
    tried = found.tried
    yield f"{tried.first_successes:,} of {counted(tried.first_attempts, 'first attempt')} succeeded"
    yield f"{tried.successes:,} of {counted(tried.attempts, 'redrive')} in all succeeded"
    yield f"{counted(tried.duplicates, 'duplicate run')}"
    for plan, states in sorted(tried.by_plan.items()):
        told = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
        yield f"by {escaped(plan)}: {told}"


def _sample(found: Postmortem) -> Iterator[str]:
    sample = found.sample
    if sample is None:
        return
    yield ""
    yield "## The first failure"
    yield ""
    yield f"Task {escaped(sample.task_id)} ({escaped(sample.task)}), captured as {sample.captured}."
    yield ""
    yield from quoted(f"{sample.type}: {cut(sample.message)}")
    if sample.traceback:
        yield "    "
        yield from quoted(sample.traceback)


def _step(step: Step) -> str:
    moment = at(step.at) if step.at else "time not recorded"
    rule = f" (rule {escaped(step.rule)})" if step.rule and step.rule not in step.text else ""
    by = f" (by {escaped(step.by)})" if step.by and step.what == "plan.accepted" else ""
    return f"{moment}: {escaped(step.text)}{by}{rule}"


def _at(moment: datetime | None, otherwise: str = NOT_RECORDED) -> str:
    return at(moment) if moment else otherwise


def _after(seconds: float | None, what: str) -> str:
    return "" if seconds is None else f", {span(seconds)} {what}"
