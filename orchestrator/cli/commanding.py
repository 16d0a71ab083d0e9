"""The verbs that hold what leans on a dependency or is of an incident, and let it go. They show first what they do."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown, told
from orchestrator.cli.exits import USAGE
from orchestrator.cli.naming import incident_of

AGAIN: Final = "this was a dry run, nothing was done; do it with --yes"
Reason = Annotated[str, typer.Option(help="Why; it is kept with the command.")]
Incident = Annotated[str | None, typer.Option(metavar="ID", help="An incident; its id, or the beginning of it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it only what would happen is shown.")]
Dependency = Annotated[str | None, typer.Argument(help="The name of a dependency.")]


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
    _hold(api, _held(api, dependency, incident), "hold", reason, yes=yes, as_json=as_json)


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
    _hold(api, _held(api, dependency, incident), "release", reason, yes=yes, as_json=as_json)


def _held(api: str, dependency: str | None, incident: str | None) -> tuple[str, str]:
    if bool(dependency) == bool(incident):
        told("expected the name of a dependency, or --incident; see redrive dependencies")
        raise typer.Exit(USAGE)
    return ("dependencies", dependency) if dependency else ("incidents", incident_of(api, incident or ""))


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
