"""The verbs that hold what leans on a dependency or is of an incident, and let it go. They show first what they do."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown, told
from orchestrator.cli.copying import to_copy
from orchestrator.cli.exits import USAGE
from orchestrator.cli.lines import width
from orchestrator.cli.naming import incident_of
from orchestrator.cli.reasons import Reason

AGAIN: Final = "this was a dry run, nothing was done; do it with --yes"
Incident = Annotated[str | None, typer.Option(metavar="ID", help="An incident; its id, or the beginning of it.")]
Revision = Annotated[int | None, typer.Option(min=1, help="Only while the incident has this revision.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it only what would happen is shown.")]
Dependency = Annotated[str | None, typer.Argument(help="The name of a dependency.")]


def hold(
    reason: Reason,
    dependency: Dependency = None,
    incident: Incident = None,
    revision: Revision = None,
    *,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Hold all redrives of a dependency, or of an incident, until somebody releases it."""
    body = _body(reason, revision, dependency)
    _hold(api, _held(api, dependency, incident), "hold", body, yes=yes, as_json=as_json)


def release(
    reason: Reason,
    dependency: Dependency = None,
    incident: Incident = None,
    revision: Revision = None,
    *,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Lift a hold: gate and ramp decide again."""
    body = _body(reason, revision, dependency)
    _hold(api, _held(api, dependency, incident), "release", body, yes=yes, as_json=as_json)


def _held(api: str, dependency: str | None, incident: str | None) -> tuple[str, str]:
    if bool(dependency) == bool(incident):
        told("expected the name of a dependency, or --incident; see redrive dependencies")
        raise typer.Exit(USAGE)
    return ("dependencies", dependency) if dependency else ("incidents", incident_of(api, incident or ""))


def _body(reason: str, revision: int | None, dependency: str | None) -> dict[str, Any]:
    if revision is None:
        return {"reason": reason}
    if dependency:
        told("expected --revision with --incident alone: a dependency has none")
        raise typer.Exit(USAGE)
    return {"reason": reason, "revision": revision}


def _hold(api: str, what: tuple[str, str], verb: str, body: dict[str, Any], *, yes: bool, as_json: bool) -> None:
    answer = call("POST", api, path_of(*what, verb), body | {"dry_run": not yes})
    if as_json:
        as_data(answer)
    elif yes:
        after = answer["after"]
        shown(f"held by {after['held_by']}: {after['held_reason']}" if after["held_by"] else "released")
    else:
        held = answer.get("held_failures", answer.get("open_failures"))
        shown(f"would {verb} {what[1]}: {held} failures wait there now")
    if not yes:
        again(answer.get("revision") if "revision" not in body else None)


def again(revision: int | None = None) -> None:
    """Say that nothing was done, and show the command as it was typed, with --yes and the revision that was looked at:
    to be copied.
    """
    told(AGAIN)
    seen = ["--revision", str(revision)] if revision else []
    for line in to_copy(["redrive", *sys.argv[1:], *seen, "--yes"], width()):
        typer.echo(line, err=True)
