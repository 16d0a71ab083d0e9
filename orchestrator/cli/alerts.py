"""The verbs on alerts: who was told of what; to say that it is known; to see whether a target can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, safe, shown, told
from orchestrator.cli.commanding import again
from orchestrator.cli.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

alerts = typer.Typer(
    name="alerts",
    help="Alerts: who was told of what, and who has answered; without a verb, the list.",
    invoke_without_command=True,
)
# What is left of a line of 80 columns.
LONGEST: Final = 76
MOST: Final = 1_000
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, it is only told what would be done.")]


@alerts.callback()
def group(context: typer.Context, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show who was told of what."""
    if context.invoked_subcommand is None:
        list_alerts(api=api, as_json=as_json)


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
    for line in (line for each in found["alerts"] for line in _lines(each)):
        shown(line)
    told("to stop one: redrive alerts acknowledge ID --reason '...' --yes")


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
        again()


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
        again()


def _lines(each: dict[str, Any]) -> Iterator[str]:
    """Give an alert in lines of 80 columns: what it is and how far, what it is about, who knows of it."""
    began = each["began_at"][5:16].replace("T", " ")
    yield f"{each['id']}  {each['state']}, {each['severity']}, since {began}"
    ahead = f"then {each['next_level']}" if each["next_level"] else "nobody is left to be told"
    counted = f"{each['incidents']} incidents, {each['pages']} pages"
    yield f"    level {each['level']} of {each['levels']} of {each['ladder']}, {ahead}; {counted}"
    yield f"    {_cut(each['dependency'] or 'no dependency')}"
    if each["acknowledged_by"]:
        yield f"    {_cut('acknowledged by ' + each['acknowledged_by'])}"


def _cut(text: str) -> str:
    """Give a text of others as part of one line."""
    plain = safe(text)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"
