"""The verbs on alerts: who was told of what; to say that it is known; to see whether a target can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, safe, shown, told

if TYPE_CHECKING:
    from rich.table import Table

alerts = typer.Typer(name="alerts", help="Alerts: who was told of what, and who has answered.", no_args_is_help=True)
WIDTH: Final = 80
MOST: Final = 1_000
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, it is only told what would be done.")]


@alerts.command("list")
def list_alerts(
    every: Annotated[bool, typer.Option("--all", help="Those that are resolved too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="So many at most, the newest.")] = 50,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List the alerts that are not over: since when, how far the ladder is climbed, what is next."""
    states = "" if every else "&state=waiting&state=firing&state=acknowledged"
    found = call("GET", api, f"/api/v1/alerts?limit={limit}{states}")
    if as_json:
        as_data(found)
        return
    if not found["alerts"]:
        shown("no alert; targets: " + (", ".join(found["targets"]) or "none: see docs/alerts.md"))
        return
    from rich.console import Console

    Console(width=WIDTH).print(_table(found["alerts"]))
    for each in found["alerts"]:
        shown(f"{each['id']}  {each['dependency'] or 'no dependency'}")
    told("one of them whole: redrive alerts list --json; redrive alerts acknowledge ID --reason '...' --yes")


@alerts.command()
def acknowledge(
    alert: Annotated[str, typer.Argument(help="The alert's id.")],
    reason: Reason,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Say that somebody knows of it: its incidents are acknowledged, and nobody else is woken."""
    answer = call("POST", api, path_of("alerts", alert, "acknowledge"), {"reason": reason, "dry_run": not yes})
    if as_json:
        as_data(answer)
    elif yes:
        shown(f"acknowledged: {len(answer['acknowledged'])} incidents; nobody else is woken for them")
    else:
        shown(f"would acknowledge {answer['incidents']} incidents of alert {answer['id']}, which is {answer['state']}")
        for each in answer["members"]:
            shown(f"{each['id']}  {each['size']} of {each['task']}")
    if not yes:
        told("nothing was done: say it again with --yes")


@alerts.command("test")
def send_test(
    target: Annotated[str, typer.Argument(help="The target's name in the settings.")],
    reason: Reason = "to see whether it arrives",
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Send a test page, and its end, to one target, by the way that every page goes."""
    answer = call("POST", api, "/api/v1/alert-tests", {"target": target, "reason": reason, "dry_run": not yes})
    if as_json:
        as_data(answer)
    elif yes:
        shown(f"sent to {answer['target']}; whether it went: redrive sinks list, the sink {answer['sink']}")
    else:
        shown(f"would send a test page to {answer['target']}, and then its end")
    if not yes:
        told("nothing was done: say it again with --yes")


def _table(found: list[dict[str, Any]]) -> Table:
    """Draw the list within 80 columns."""
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(Column("began", no_wrap=True), "state", "severity", "level", "next", "incidents", "pages", "by")
    for each in found:
        level = f"{each['level']}/{each['levels']}"
        cells = (each["began_at"][5:16].replace("T", " "), each["state"], each["severity"], level)
        more = (each["next_level"] or "-", each["incidents"], each["pages"], each["acknowledged_by"] or "-")
        table.add_row(*(Text(safe(cell)) for cell in (*cells, *more)))
    return table
