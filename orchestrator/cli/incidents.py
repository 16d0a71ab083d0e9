"""The verbs that show incidents: the list, one of them, and its life as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, safe, shown, stream, told
from orchestrator.cli.exits import UNREACHABLE
from orchestrator.cli.telling import told_whole
from orchestrator.domain.incidents import IncidentState

if TYPE_CHECKING:
    from rich.table import Table

UUID_WIDTH: Final = 36
LEAST_WIDTH: Final = 160
LONGEST_CELL: Final = 20
SAMPLE: Final = 1
COLUMNS: Final = ("since", "failures", "dependency", "kind", "state", "plan")
incidents = typer.Typer(
    name="incidents", help="What has failed, what was decided, what it waits for.", no_args_is_help=True
)
Id = Annotated[str, typer.Argument(help="The incident's id.")]


@incidents.command("list")
def list_incidents(
    state: Annotated[list[IncidentState] | None, typer.Option(help="Only these; more than once.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="So many at most.")] = 100,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first."""
    asked = "".join(f"&state={each}" for each in state or ())
    found = call("GET", api, f"/api/v1/incidents?limit={limit}{asked}")["incidents"]
    if as_json:
        as_data(found)
        return
    from rich.console import Console

    Console(width=max(Console().width, LEAST_WIDTH)).print(_table(found))


def _table(found: list[dict[str, Any]]) -> Table:
    """Draw the list: an id stays whole at any width, since the next command needs it."""
    from rich.table import Column, Table
    from rich.text import Text

    whole = [Column(name, no_wrap=True, max_width=LONGEST_CELL) for name in COLUMNS]
    last = Column("what", overflow="ellipsis")
    table = Table(Column("incident", no_wrap=True, min_width=UUID_WIDTH), *whole, last)
    for each in found:
        plan = each["plan"]["name"] if each["plan"] else "-"
        held = f"held by {each['held_by']}: {each['held_reason']}" if each["held_by"] else None
        what = held or each["note"] or each["signature"]
        cells = (each["id"], each["opened_at"][:16], each["size"], each["dependency"] or "-")
        table.add_row(*(Text(safe(cell)) for cell in (*cells, each["kind"], each["state"], plan, what)))
    return table


@incidents.command("show")
def show(incident_id: Id, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show one: why, the plan and who made it, what it waits for, a sample failure, and what to do next."""
    whole = call("GET", api, path_of("incidents", incident_id))
    if as_json:
        as_data(whole)
        return
    sample = call("GET", api, f"{path_of('incidents', incident_id, 'failures')}?limit={SAMPLE}")["failures"]
    for line in told_whole(whole, sample[0] if sample else None):
        shown(line)


@incidents.command("watch")
def watch(incident_id: Id, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Follow an incident's life until it is closed."""
    import json

    closed = False

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
