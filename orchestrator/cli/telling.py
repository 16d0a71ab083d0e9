"""An incident in words, for a person who has to decide: what, why, who has it, what was done, a failure, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.columns import wrapped
from orchestrator.cli.copying import to_copy
from orchestrator.cli.lines import width
from orchestrator.cli.stories import labelled, standing, told_steps
from orchestrator.cli.times import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

# The end of a traceback is where it broke.
TAIL: Final = 8
LONGEST_LINE: Final = 300
LONGEST_MESSAGE: Final = 500
NEWEST: Final = 5
TIMELINE: Final = 24
INDENT: Final = " " * 12


def told_whole(
    incident: dict[str, Any], sample: dict[str, Any] | None, story: dict[str, Any], *, whole: bool = False
) -> Iterator[str]:
    """Give the lines about an incident: what, who has it, plan, releases, what happened, a failure, what to do next."""
    yield from _what(incident)
    yield from _people(incident)
    yield from _plan(incident["plan"])
    yield from _ramp(incident["ramp"])
    releases = incident["releases"]
    if len(releases) > NEWEST and not whole:
        yield from labelled("releases", f"{len(releases)}, the newest {NEWEST} of them:")
    for each in releases if whole else releases[-NEWEST:]:
        yield from labelled("release", _release(each))
    yield from _executions(incident)
    yield "timeline"
    yield from told_steps(story["steps"], incident["id"], 0 if whole else TIMELINE)
    if sample:
        yield from _sample(sample, incident["id"], whole=whole)
    yield from _waiting_tasks(incident)
    yield from standing(story["now"])


def _what(incident: dict[str, Any]) -> Iterator[str]:
    yield from labelled("incident", incident["id"])
    yield from labelled("what", incident["signature"])
    yield from labelled("since", clock(incident["opened_at"]))
    yield from labelled("state", incident["state"] + (f": {incident['note']}" if incident["note"] else ""))
    yield from labelled("kind", f"{incident['kind']}: {incident['why']}")
    yield from labelled("dependency", incident["dependency"] or "-")
    open_, dead = incident["open_failures"], incident["dead_failures"]
    yield from labelled("failures", f"{incident['size']}: {open_} open, {dead} dead")
    if incident["canvas"]:
        yield from labelled("canvas", incident["canvas"])


def _people(incident: dict[str, Any]) -> Iterator[str]:
    """Say how bad it is, whose it is, who knows of it, and who holds it."""
    owner = f"; owner {incident['owner']}" if incident["owner"] else "; nobody's"
    yield from labelled("severity", f"{incident['severity']}{owner}")
    if incident["acknowledged_by"]:
        yield from labelled("known to", f"{incident['acknowledged_by']} since {clock(incident['acknowledged_at'])}")
    if incident["snoozed_until"]:
        yield from labelled("snoozed", f"until {clock(incident['snoozed_until'])}")
    if incident["held_by"]:
        held = f"by {incident['held_by']} at {clock(incident['held_at'])}: {incident['held_reason']}"
        yield from labelled("held", held)


def _plan(plan: dict[str, Any] | None) -> Iterator[str]:
    if plan is None:
        yield "plan        none yet"
        return
    by = "built in, StackStorm being away" if plan["built_in"] else plan["execution_id"] or "a person"
    yield from labelled("plan", f"{plan['name']} (execution {by}): {plan['reason']}")
    yield from labelled("pace", f"{plan['pace']['in_flight']} in flight, {plan['pace']['tries_each']} tries each")
    if plan["route"]:
        yield from labelled("route", {name: value for name, value in plan["route"].items() if value})


def _ramp(ramp: dict[str, Any] | None) -> Iterator[str]:
    if ramp:
        why = f": {ramp['why']}" if ramp["why"] else ""
        told = f"{ramp['name']} is {ramp['phase']}, window {ramp['window']:.1f}, {ramp['tries']} tries{why}"
        yield from labelled("ramp", told)


def _release(release: dict[str, Any]) -> str:
    forced = ", forced" if release["forced"] else ""
    why = f": {release['note']}" if release["note"] else ""
    first = f"{release['first_successes']} of {release['first_attempts']} first attempts succeeded"
    told = f"{release['id']} {release['state']}{forced}, {first}, {release['attempts']} in all{why}"
    if release["outcome"]:
        return told
    return f"{told}; on the ramp of {release['ramp'] or 'nobody yet'}, not before {clock(release['gate_at'])}"


def _executions(incident: dict[str, Any]) -> Iterator[str]:
    """List the executions that answered, with the rules that started them."""
    for each in incident["dispatches"]:
        if each["execution_ids"]:
            rules = ", ".join(each["rules"]) or "a rule that was not told"
            yield from labelled("execution", f"{', '.join(each['execution_ids'])} by {rules}, for {each['trigger']}")


def _sample(failure: dict[str, Any], incident_id: str, *, whole: bool) -> Iterator[str]:
    facts = failure["exception"]
    yield from labelled("a failure", f"{failure['id']} of {failure['task']}")
    yield from wrapped(f"task {failure['task_id']}, {failure['state']}, captured as {failure['captured']}", INDENT)
    message = facts["message"] if whole else cut(facts["message"], LONGEST_MESSAGE)
    yield from wrapped(f"{facts['type']}: {message}", INDENT)
    lines = facts["traceback"].rstrip().splitlines()
    shown = lines if whole else lines[-TAIL:]
    if len(shown) < len(lines):
        yield from wrapped(f"traceback, the last {TAIL} of {len(lines)} lines; all of it:", INDENT)
        yield from to_copy(["redrive", "incidents", "show", incident_id, "--all"], width())
    for line in shown:
        yield from wrapped(_indented(line if whole else cut(line, LONGEST_LINE)), f"{INDENT}| ", f"{INDENT}|   ")
    if failure["not_redrivable"]:
        yield from wrapped(failure["not_redrivable"], INDENT)


def _indented(line: str) -> str:
    """Keep the indent of a line, which wrapping would drop, by spaces that do not break."""
    bare = line.lstrip(" ")
    return "\u00a0" * min(len(line) - len(bare), LONGEST_LINE // 10) + bare


def _waiting_tasks(incident: dict[str, Any]) -> Iterator[str]:
    """Name the tasks that wait for a person, and how to have them go by themselves the next time."""
    for task, count in sorted(incident["waiting_tasks"].items()):
        yield from labelled("a person", f"{count} of {task} wait: it is not declared idempotent")
        yield from wrapped("declare it where it may run twice: @app.task(redrive={'idempotent': True})", INDENT)


def cut(text: str, longest: int) -> str:
    """Give text, and of a long one its beginning and how long it is."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
