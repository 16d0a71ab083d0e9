"""An incident in words, for a person who has to decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

TAIL: Final = 8
NEWEST: Final = 5
CLOSED: Final = ("recovered", "discarded")


def told_whole(incident: dict[str, Any], sample: dict[str, Any] | None) -> Iterator[str]:
    """Give the lines about an incident: what, why, plan, what it waits for, who decided, a failure, what to do."""
    yield f"incident    {incident['id']}"
    yield f"what        {incident['signature']}"
    yield f"since       {incident['opened_at']}"
    yield f"state       {incident['state']}" + (f": {incident['note']}" if incident["note"] else "")
    yield f"kind        {incident['kind']}: {incident['why']}"
    yield f"dependency  {incident['dependency'] or '-'}"
    open_, dead = incident["open_failures"], incident["dead_failures"]
    yield f"failures    {incident['size']}: {open_} open, {dead} dead"
    yield from _plan(incident["plan"])
    if incident["held_by"]:
        yield f"held        by {incident['held_by']} at {incident['held_at']}: {incident['held_reason']}"
    yield from _ramp(incident["ramp"])
    yield from (f"waits for   {each}" for each in incident["waits_for"])
    yield from (_release(each) for each in incident["releases"][-NEWEST:])
    yield from (_trigger(each) for each in incident["dispatches"][-NEWEST:])
    yield from (_command(each) for each in incident["commands"][-NEWEST:])
    if sample:
        yield from _sample(sample)
    yield from _next(incident)


def _plan(plan: dict[str, Any] | None) -> Iterator[str]:
    if plan is None:
        yield "plan        none yet"
        return
    by = "built in, StackStorm being away" if plan["built_in"] else plan["execution_id"] or "a person"
    yield f"plan        {plan['name']} (execution {by}): {plan['reason']}"
    yield f"pace        {plan['pace']['in_flight']} in flight, {plan['pace']['tries_each']} tries each"
    if plan["route"]:
        route = {name: value for name, value in plan["route"].items() if value}
        yield f"route       {route}"


def _ramp(ramp: dict[str, Any] | None) -> Iterator[str]:
    if ramp:
        why = f": {ramp['why']}" if ramp["why"] else ""
        yield f"ramp        {ramp['name']} is {ramp['phase']}, window {ramp['window']:.1f}, {ramp['tries']} tries{why}"


def _release(release: dict[str, Any]) -> str:
    forced = ", forced" if release["forced"] else ""
    why = f": {release['note']}" if release["note"] else ""
    first = f"{release['first_successes']} of {release['first_attempts']} first attempts succeeded"
    told = f"release     {release['id']} {release['state']}{forced}, {first}, {release['attempts']} in all{why}"
    if release["outcome"]:
        return told
    return f"{told}; on the ramp of {release['ramp'] or 'nobody yet'}, not before {release['gate_at'][:19]}"


def _trigger(dispatch: dict[str, Any]) -> str:
    rules = ", ".join(dispatch["rules"]) or "no rule"
    executions = ", ".join(dispatch["execution_ids"]) or "none"
    return f"trigger     {dispatch['trigger']} {dispatch['state']}; rules {rules}; executions {executions}"


def _command(command: dict[str, Any]) -> str:
    forced = " (forced)" if command["forced"] else ""
    return (
        f"command     {command['created_at'][:19]} {command['actor']}: {command['kind']}{forced}: {command['reason']}"
    )


def _sample(failure: dict[str, Any]) -> Iterator[str]:
    facts = failure["exception"]
    yield f"a failure   {failure['id']} of {failure['task']} ({failure['task_id']}), {failure['state']}"
    yield f"            {facts['type']}: {facts['message']}"
    lines = facts["traceback"].rstrip().splitlines()[-TAIL:]
    yield from (f"            | {line}" for line in lines)
    if failure["not_redrivable"]:
        yield f"            {failure['not_redrivable']}"


def _next(incident: dict[str, Any]) -> Iterator[str]:
    """Say what a person can do now."""
    if incident["state"] in CLOSED:
        return
    for task, count in sorted(incident["waiting_tasks"].items()):
        yield f"a person    {count} of {task} wait: it is not declared idempotent"
        yield "            declare it where it may run twice: @app.task(redrive={'idempotent': True})"
    waits = incident["waiting_tasks"] or incident["dead_failures"]
    if waits:
        yield f"next        redrive retry --incident {incident['id']} --reason WHY"
    if incident["held_by"]:
        yield f"next        redrive release --incident {incident['id']} --reason WHY"
    if not waits and not incident["held_by"]:
        yield f"next        nothing has to be done; redrive incidents watch {incident['id']}"
