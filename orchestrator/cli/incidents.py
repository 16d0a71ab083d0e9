"""The verbs that show incidents: the list, one of them, and its life as it happens."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown, stream, told
from orchestrator.cli.exits import UNREACHABLE
from orchestrator.cli.naming import OPEN, healths, incident_of
from orchestrator.cli.outlook import after_list, outlook, painful
from orchestrator.cli.telling import told_whole
from orchestrator.cli.times import now
from orchestrator.cli.updating import update
from orchestrator.domain.incidents import IncidentState

SAMPLE: Final = 1
MOST: Final = 1_000
incidents = typer.Typer(
    name="incidents", help="What has failed; without a verb, the list.", invoke_without_command=True
)
Id = Annotated[str, typer.Argument(help="The incident's id, or its beginning.")]


@incidents.callback()
def group(context: typer.Context, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show what has failed, what was decided, what it waits for."""
    if context.invoked_subcommand is None:
        list_incidents(api=api, as_json=as_json)


@incidents.command("list")
def list_incidents(
    state: Annotated[list[IncidentState] | None, typer.Option(help="Only these; more than once.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="So many at most.")] = 100,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List what is open, the largest first, then the newest; --state shows what is closed.

    --json gives the incidents of all states, newest first.
    """
    asked = "".join(f"&state={each}" for each in state or ())
    if as_json:
        as_data(call("GET", api, f"/api/v1/incidents?limit={limit}{asked}")["incidents"])
        return
    asked = asked or f"&{OPEN}"
    found = painful(call("GET", api, f"/api/v1/incidents?limit={MOST}{asked}")["incidents"])
    for line in outlook(found[:limit], healths(api), now()):
        typer.echo(line)
    for line in after_list(found[:limit], max(len(found) - limit, 0)):
        shown(line)
    if not found:
        told("none" if state else "nothing is open; what was: redrive incidents list --state recovered")


@incidents.command("show")
def show(
    incident_id: Id,
    everything: Annotated[bool, typer.Option("--all", help="Fold and cut nothing.")] = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Show one: why, plan, executions, timeline, a sample failure with its traceback, and what to do next."""
    incident_id = incident_of(api, incident_id)
    found = call("GET", api, path_of("incidents", incident_id))
    story = call("GET", api, path_of("why", incident_id))
    sample = call("GET", api, f"{path_of('incidents', incident_id, 'failures')}?limit={SAMPLE}")["failures"]
    if as_json:
        as_data(found | {"timeline": story["steps"], "now": story["now"], "sample": sample[0] if sample else None})
        return
    for line in told_whole(found, sample[0] if sample else None, story, whole=everything):
        shown(line)


incidents.command("update")(update)


@incidents.command("watch")
def watch(incident_id: Id, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Follow an incident's life until it is closed."""
    import json

    closed = False
    incident_id = incident_of(api, incident_id)
    for name, data in stream(api, path_of("incidents", incident_id, "events")):
        closed = closed or name == "incident.closed"
        if as_json:
            typer.echo(json.dumps({"event": name, **data}))
        else:
            at = str(data.pop("at", ""))[:19]
            shown(f"{at:19} {name:20} " + " ".join(f"{key}={value}" for key, value in data.items() if value))
    if not closed:
        told("the stream ended before the incident was closed: the orchestrator stops; watch it again")
        raise typer.Exit(UNREACHABLE)
