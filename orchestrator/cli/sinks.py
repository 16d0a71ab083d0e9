"""The verbs about sinks: what became of every event there; circuits held by a person; the reconciler; forgetting."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown, told
from orchestrator.cli.commanding import AGAIN
from orchestrator.cli.exits import FAILED, PARTLY
from orchestrator.cli.tables import Column, print_table
from orchestrator.cli.times import lasting
from orchestrator.domain.events import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator

POLL: Final = 0.5
SUMS: Final = ("accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead")
COLUMNS: Final = (
    *(Column("sampled" if each == "sampled_out" else each, right=True) for each in SUMS),
    Column("adds up"),
)
sinks = typer.Typer(
    name="sinks", help="What became of every event, per sink; without a verb, the list.", invoke_without_command=True
)
Name = Annotated[str, typer.Argument(help="The sink's name.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the command.")]
OneLane = Annotated[Lane | None, typer.Option("--lane", help="Of this lane alone.")]
From = Annotated[str | None, typer.Option("--from", help="Accepted from then on, RFC 3339 with an offset.")]
By = Annotated[str | None, typer.Option(help="Your name; the one you are logged in with otherwise.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it only what would happen is shown.")]
To = Annotated[str | None, typer.Option("--to", help="Accepted before then.")]


@sinks.callback()
def group(context: typer.Context, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show what became of every event, per sink."""
    if context.invoked_subcommand is None:
        list_sinks(api, as_json)


@sinks.command("list")
def list_sinks(api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """List the sinks: counts that must add up, the oldest that waits, circuits, rate, last error.

    Exits with 1 when a sum is off.
    """
    found = call("GET", api, "/api/v1/sinks")
    if as_json:
        as_data(found)
    else:
        _print(found)
    off = [name for name, each in found.items() if not each["adds_up"]]
    if off:
        told(f"the sum is off for {', '.join(off)}: report it, with the hours of `redrive sinks hours`")
        raise typer.Exit(FAILED)


def _print(found: dict[str, Any]) -> None:
    print_table((Column("sink", 8), *COLUMNS), ([name, *_sums(each)] for name, each in found.items()))
    for name, each in found.items():
        for line in _notes(name, each):
            shown(line)


def _sums(each: dict[str, Any]) -> list[Any]:
    return [*(each[count] for count in SUMS), "yes" if each["adds_up"] else "NO"]


def _notes(name: str, each: dict[str, Any]) -> Iterator[str]:
    rate = each["delivered_per_second"]
    delivered = f", {rate} delivered a second" if rate is not None else ""
    yield f"{name}: the oldest waits {lasting(each['oldest_seconds'])}{delivered}"
    if not each["configured"]:
        yield (
            f"{name}: not in the settings; the log keeps {each['pending']} pending and {each['dead']} dead for it until"
            f" it is forgotten: redrive sinks forget {name} --reason ..."
        )
    for lane, circuit in each["circuits"].items():
        if circuit["forced"]:
            forced = circuit["forced"]
            yield f"{name}, {lane}: held {forced['state']} by {forced['by']}: {forced['reason']}"
        elif circuit["state"] != "closed":
            left = f", next try in {circuit['next_try_seconds']:.0f} s" if circuit["next_try_seconds"] else ""
            yield f"{name}, {lane}: circuit {circuit['state']}{left}: {circuit['reason'] or 'no reason is kept'}"
    if each["last_error"]:
        error = each["last_error"]
        yield f"{name}: last error {error['at'][:19]} {error['outcome']}: {error['detail']}"


@sinks.command("hours")
def hours(name: Name, since: From = None, until: To = None, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show the sums of a sink for each hour of acceptance; the last day unless told otherwise."""
    asked = urlencode({key: value for key, value in (("since", since), ("until", until)) if value})
    found = call("GET", api, f"{path_of('sinks', name, 'hours')}?{asked}")["hours"]
    if as_json:
        as_data(found)
        return
    print_table((Column("hour"), *COLUMNS), ([each["hour"][:16], *_sums(each)] for each in found))


@sinks.command("open")
def hold_open(
    name: Name, reason: Reason, lane: OneLane = None, api: Api = DEFAULT_API, as_json: AsJson = False
) -> None:
    """Hold a sink's circuits open: nothing is sent, and everything waits, until somebody says auto."""
    _hold(name, "open", reason, lane, api, as_json=as_json)


@sinks.command("close")
def hold_closed(
    name: Name, reason: Reason, lane: OneLane = None, api: Api = DEFAULT_API, as_json: AsJson = False
) -> None:
    """Hold a sink's circuits closed: it is tried whatever it answers, until somebody says auto."""
    _hold(name, "closed", reason, lane, api, as_json=as_json)


@sinks.command("auto")
def let_go(name: Name, reason: Reason, lane: OneLane = None, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Leave a sink's circuits to themselves again."""
    _hold(name, "auto", reason, lane, api, as_json=as_json)


def _hold(name: str, state: str, reason: str, lane: Lane | None, api: str, *, as_json: bool) -> None:
    body = {"state": state, "reason": reason, "lane": lane}
    answer = call("PUT", api, path_of("sinks", name, "circuit"), body)
    if as_json:
        as_data(answer)
    else:
        shown(f"{answer['state']}: {', '.join(answer['circuits'])}")


@sinks.command("forget")
def forget(
    name: Name,
    reason: Reason,
    *,
    by: By = None,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Forget a sink that is in no settings any more; without --yes, show what would be given up."""
    asked = {"by": by or getpass.getuser(), "reason": reason, "dry_run": str(not yes).lower()}
    answer = call("DELETE", api, f"{path_of('sinks', name)}?{urlencode(asked)}")
    if as_json:
        as_data(answer)
    else:
        given_up = f"{answer['pending']} pending and {answer['dead']} dead events are given up"
        shown(f"forgotten: {name}; {given_up}" if yes else f"would forget {name}: {given_up}")
    if not yes:
        told(AGAIN)


@sinks.command("reconcile")
def reconcile(
    since: From = None,
    until: To = None,
    wait: Annotated[float, typer.Option(help="So many seconds at most for the result; 0: do not wait.")] = 60.0,
    *,
    reason: Annotated[str | None, typer.Option(help="Why; it is kept in the audit.")] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Hold what was delivered against what the warehouse has; what is missing goes again.

    Exits with 1 when any is, with 5 when no sink was looked at within the wait.
    """
    said = (("since", since), ("until", until), ("reason", reason))
    body = {key: value for key, value in said if value}
    asked = call("POST", api, "/api/v1/sinks/reconcile", body)["reconciliations"]
    found = _results(api, {each["id"] for each in asked}, wait)
    if as_json:
        as_data(found)
    else:
        for each in found:
            shown(_result(each))
    if any(each["missing"] for each in found):
        raise typer.Exit(FAILED)
    if not asked:
        told("nothing was looked at: no sink here can be asked what it has")
        raise typer.Exit(PARTLY)
    left = len(asked) - sum(bool(each["done_at"]) for each in found)
    if wait and left:
        told(f"not done within {wait:g} s: {left} of {len(asked)}; does a process with the relay part run?")
        raise typer.Exit(PARTLY)


def _results(api: str, ids: set[str], wait: float) -> list[dict[str, Any]]:
    import time

    ends = time.monotonic() + wait
    while True:
        listed = call("GET", api, "/api/v1/sinks/reconciliations")["reconciliations"]
        mine = [each for each in listed if each["id"] in ids]
        if sum(bool(each["done_at"]) for each in mine) == len(ids) or time.monotonic() >= ends:
            return mine
        time.sleep(min(POLL, wait))


def _result(each: dict[str, Any]) -> str:
    if not each["done_at"]:
        return f"{each['sink']}: asked for; it is done in the relay part, see GET /api/v1/sinks/reconciliations"
    again = f"; {each['sent']} go again with replay {each['replay_id']}" if each["missing"] else ""
    return f"{each['sink']}: {each['checked']} checked, {each['missing']} missing{again}"
