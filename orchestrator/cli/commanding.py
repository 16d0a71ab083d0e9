"""The verbs by which a person commands: retry, reroute, hold, release. Each shows first what it would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import uuid4

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown, told
from orchestrator.cli.exits import FAILED, PARTLY, USAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

AGAIN: Final = "this was a dry run, nothing was done; do it with --yes"
Reason = Annotated[str, typer.Option(help="Why; it is kept with the command.")]
Failure = Annotated[str | None, typer.Option(help="The id of a failure.")]
Task = Annotated[str | None, typer.Option(help="The id of a task: its newest failure.")]
Incident = Annotated[str | None, typer.Option(help="The id of an incident.")]
Force = Annotated[bool, typer.Option("--force", help="Wait for nothing; the audit says so.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it only what would happen is shown.")]
Dependency = Annotated[str | None, typer.Argument(help="The name of a dependency.")]


def retry(
    reason: Reason,
    failure: Failure = None,
    task: Task = None,
    incident: Incident = None,
    *,
    force: Force = False,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Redrive one failure, or all of an incident as one release; without --yes, show what would go."""
    body = _named(failure, task, incident) | {"reason": reason, "force": force}
    _redrive(api, "/api/v1/recovery/retry", body, yes=yes, as_json=as_json)


def reroute(
    reason: Reason,
    failure: Failure = None,
    task: Task = None,
    incident: Incident = None,
    queue: Annotated[str | None, typer.Option(help="Where to; left out, the table of routes decides.")] = None,
    *,
    force: Force = False,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Redrive elsewhere; without --yes, show the candidates and why each was refused."""
    route = {"queue": queue} if queue else {"table": True}
    body = _named(failure, task, incident) | {"reason": reason, "force": force, "route": route}
    _redrive(api, "/api/v1/recovery/reroute", body, yes=yes, as_json=as_json)


def hold(
    reason: Reason,
    dependency: Dependency = None,
    incident: Incident = None,
    *,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Hold all redrives of a dependency, or of an incident, until somebody releases it."""
    _hold(api, _held(dependency, incident), "hold", reason, yes=yes, as_json=as_json)


def release(
    reason: Reason,
    dependency: Dependency = None,
    incident: Incident = None,
    *,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Lift a hold: gate and ramp decide again."""
    _hold(api, _held(dependency, incident), "release", reason, yes=yes, as_json=as_json)


def _named(failure: str | None, task: str | None, incident: str | None) -> dict[str, Any]:
    given = {"failure_id": failure, "task_id": task, "incident_id": incident}
    named = {name: value for name, value in given.items() if value}
    if len(named) != 1:
        told("expected exactly one of --failure, --task and --incident; see redrive incidents list")
        raise typer.Exit(USAGE)
    return named


def _held(dependency: str | None, incident: str | None) -> tuple[str, str]:
    if bool(dependency) == bool(incident):
        told("expected the name of a dependency, or --incident; see redrive dependencies")
        raise typer.Exit(USAGE)
    return ("dependencies", dependency) if dependency else ("incidents", incident or "")


def _redrive(api: str, path: str, body: dict[str, Any], *, yes: bool, as_json: bool) -> None:
    dry = call("POST", api, path, body | {"dry_run": True})
    if not yes or not dry["eligible"]:
        _show(dry, as_json=as_json)
        if yes or not dry["eligible"]:
            told("nothing was done: none is eligible")
            raise typer.Exit(FAILED)
        told(AGAIN)
        raise typer.Exit(PARTLY if dry["not_eligible"] else 0)
    answer = call("POST", api, path, body, **{"Idempotency-Key": str(uuid4())})
    for each in answer.get("waits_for", ()):
        told(f"it waits for: {each}")
    for each in answer.get("overrides", ()):
        told(f"forced, overriding: {each}")
    if "note" in answer:
        told(answer["note"])
    if as_json:
        as_data(answer)
    else:
        shown(f"accepted: {api}{answer['location']}")
    if dry["not_eligible"]:
        told(f"{dry['not_eligible']} were not eligible")
        raise typer.Exit(PARTLY)


def _show(dry: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        as_data(dry)
        return
    for line in _preview(dry):
        shown(line)


def _preview(dry: dict[str, Any]) -> Iterator[str]:
    yield f"would {dry['command']}  {dry['eligible']} of {dry['task']}; {dry['not_eligible']} not eligible"
    if dry["dependency"]:
        yield f"dependency   {dry['dependency']['name']} is {dry['dependency']['health']}: {dry['dependency']['why']}"
    yield from (f"waits for    {each}" for each in dry.get("waits_for", ()))
    yield from (f"overrides    {each}" for each in dry.get("overrides", ()))
    yield from (f"duplicates   {each}" for each in dry["duplicates"])
    yield from (f"not eligible {each['task_id']} ({each['failure_id']}): {each['why']}" for each in dry["refused"])
    yield from _candidates(dry["decision"])
    if dry["note"]:
        yield f"note         {dry['note']}"


def _candidates(decision: dict[str, Any] | None) -> Iterator[str]:
    if decision is None:
        return
    chosen = decision["chosen"]
    yield f"goes to      {chosen['name'] if chosen else 'nowhere: no route is open'}"
    for each in decision["candidates"]:
        standing = f"refused: {each['refused']}" if each["refused"] else f"open, place {each['place']}"
        yield f"candidate    {each['name']}: {standing}"


def _hold(api: str, what: tuple[str, str], verb: str, reason: str, *, yes: bool, as_json: bool) -> None:
    answer = call("POST", api, path_of(*what, verb), {"reason": reason, "dry_run": not yes})
    if as_json:
        as_data(answer)
    elif yes:
        after = answer["after"]
        shown(f"held by {after['held_by']}: {after['held_reason']}" if after["held_by"] else "released")
    else:
        held = answer.get("held_failures", answer.get("open_failures"))
        shown(f"would {verb} {what[1]}: {held} failures wait there now")
    if not yes:
        told(AGAIN)
