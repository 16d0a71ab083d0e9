"""The verbs about recoveries: what people have sent on its way, how far it is, and its pausing and stopping."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown, told
from orchestrator.cli.following import OVER, follow, line_of
from orchestrator.cli.foretelling import predicted
from orchestrator.cli.naming import recovery_of, short
from orchestrator.cli.reasons import Reason
from orchestrator.cli.tables import Column, drawn
from orchestrator.cli.times import ago, clock, lasting, now
from orchestrator.domain.selection import MOVABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.cli.tables import Cell

COLUMNS = (
    Column("id"),
    Column("since", right=True),
    Column("state"),
    Column("recovered", right=True),
    Column("asked", right=True),
    Column("left", right=True),
    Column("what", 14),
    Column("by", 6),
)
# What can go at all: where all of it is meant, the states tell nothing.
ALL_THAT_CAN = {str(each) for each in MOVABLE}
recoveries = typer.Typer(
    name="recoveries", help="What people have sent on its way; without a verb, the list.", invoke_without_command=True
)
Id = Annotated[str, typer.Argument(help="The recovery's id, or its beginning.")]


@recoveries.callback()
def group(context: typer.Context, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show what people have sent on its way, and how far it is."""
    if context.invoked_subcommand is None:
        list_recoveries(api=api, as_json=as_json)


@recoveries.command("list")
def list_recoveries(
    state: Annotated[
        list[str] | None, typer.Option(help="proposed, running, paused, aborted or done; more than once.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="So many at most.")] = 20,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List recoveries, newest first."""
    asked = "".join(f"&state={each}" for each in state or ())
    found = call("GET", api, f"/api/v1/recovery/retries?limit={limit}{asked}")["retries"]
    if as_json:
        as_data(found)
        return
    ids = [each["id"] for each in found]
    for line in drawn(COLUMNS, (_row(each, ids) for each in found)):
        typer.echo(line)
    told(
        f"next: redrive recoveries show {short(ids[0], ids)}"
        if found
        else "none: redrive retry --help tells how to begin one"
    )


def _row(each: dict[str, Any], ids: list[str]) -> tuple[Cell, ...]:
    progress, left = each["progress"], each.get("seconds_left")
    time_left = lasting(left) if left is not None and each["state"] not in OVER else None
    since = ago(each["created_at"], now())
    numbers = (progress["recovered"], progress["asked"], time_left)
    return (
        short(each["id"], ids),
        since,
        each["state"],
        *numbers,
        (f"{each['command']} {meant(each)}", meant(each)),
        each["actor"],
    )


def meant(each: Mapping[str, Any]) -> str:
    """Say which failures a recovery was of."""
    for name in ("failure_id", "task_id", "incident_id"):
        if each.get(name):
            return f"{name.removesuffix('_id')} {short(each[name]) if name == 'incident_id' else each[name]}"
    selection = each.get("selection") or {}
    told_of = {name: value for name, value in selection.items() if value and name != "ids"}
    if set(told_of.get("states", ())) >= ALL_THAT_CAN and len(told_of) > 1:
        del told_of["states"]
    said = [f"{name.removesuffix('_id')}={_value(value)}" for name, value in told_of.items()]
    ids = selection.get("ids")
    return " ".join([*said, f"{len(ids):,} by id"] if ids else said) or "-"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@recoveries.command("show")
def show(recovery_id: Id, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show one: who began it and why, how far it is, what it waits for, its releases."""
    found = call("GET", api, path_of("recovery", "retries", recovery_of(api, recovery_id)))
    if as_json:
        as_data(found)
        return
    for line in whole(found):
        shown(line)


def whole(found: dict[str, Any]) -> Iterator[str]:
    """Give the lines about a recovery."""
    forced = ", forced" if found.get("forced") else ""
    yield f"recovery    {found['id']}"
    yield f"state       {found['state']}{forced}" + (f": {found['note']}" if found.get("note") else "")
    yield f"begun       {clock(found['created_at'])} by {found['actor']}: {found['reason']}"
    yield f"what        {found['command']} {meant(found)}"
    yield f"progress    {line_of(found)}"
    tried, well = found.get("first_attempts"), found.get("first_successes")
    if tried:
        yield f"first       {well:,} of {tried:,} first attempts succeeded ({well / tried:.0%})"
    for place, line in enumerate(predicted(found.get("prediction"))):
        yield f"{'' if place else 'told before':<12}{line}"
    yield from (f"edit        {name} = {json.dumps(value)}" for name, value in (found.get("edits") or {}).items())
    yield from (f"waits for   {each}" for each in found.get("waits_for") or ())
    for each in found.get("releases") or ():
        yield f"release     {each['id']} {each['state']}" + (f": {each['note']}" if each.get("note") else "")
    if found.get("ended_at"):
        yield f"ended       {clock(found['ended_at'])}"
    yield from _next(found)


def _next(found: dict[str, Any]) -> Iterator[str]:
    begun, progress = short(found["id"]), found["progress"]
    if found["state"] == "proposed":
        yield f"next        redrive approvals approve {begun} --reason WHY"
    elif found["state"] == "paused":
        yield f"next        redrive recoveries resume {begun} --reason WHY"
    elif found["state"] == "running":
        yield f"next        redrive recoveries watch {begun}"
    elif any(progress[name] for name in ("dead", "held_again", "given_back")):
        yield "next        redrive incidents list"


@recoveries.command("watch")
def watch(recovery_id: Id, api: Api = DEFAULT_API) -> None:
    """Follow one until it is over; Ctrl-C only stops the following. Exits with 5 where some did not recover."""
    code = follow(api, recovery_of(api, recovery_id))
    if code:
        raise typer.Exit(code)


@recoveries.command("pause")
def pause(recovery_id: Id, reason: Reason, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Let nothing more of it go until it is resumed; what is in flight stays in flight."""
    _steer(api, recovery_id, "pause", reason, as_json=as_json)


@recoveries.command("resume")
def resume(recovery_id: Id, reason: Reason, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Let it go on."""
    _steer(api, recovery_id, "resume", reason, as_json=as_json)


@recoveries.command("abort")
def abort(recovery_id: Id, reason: Reason, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Stop it for good within one batch; what has not gone is given back, and stands as it did."""
    _steer(api, recovery_id, "abort", reason, as_json=as_json)


def _steer(api: str, recovery_id: str, verb: str, reason: str, *, as_json: bool) -> None:
    found = call("POST", api, path_of("recovery", "retries", recovery_of(api, recovery_id), verb), {"reason": reason})
    if as_json:
        as_data(found)
        return
    shown(f"{found['state']}: {line_of(found)}")
    for line in _next(found):
        shown(line)
