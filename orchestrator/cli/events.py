"""The verbs about events: lists, one of them whole, sent again, stopped, given up. Each first shows what it does."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown, told
from orchestrator.cli.commanding import AGAIN
from orchestrator.cli.exits import FAILED, USAGE
from orchestrator.cli.tables import Column, drawn
from orchestrator.cli.why import fates

if TYPE_CHECKING:
    from collections.abc import Iterator

events = typer.Typer(name="events", help="Events, and dead letters: seen, sent again, given up.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="The event's id, or its key.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Only these, by id or key.")]
Dead = Annotated[bool, typer.Option("--dead", help="Dead letters.")]
Sink = Annotated[str | None, typer.Option(help="Of this sink.")]
Type = Annotated[str | None, typer.Option("--type", help="Of this type.")]
From = Annotated[str | None, typer.Option("--from", help="Accepted from then on, RFC 3339 with an offset.")]
To = Annotated[str | None, typer.Option("--to", help="Accepted before then.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the command.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it only what would happen is shown.")]


@events.command("list")
def list_events(
    *,
    dead: Dead = False,
    sink: Sink = None,
    event_type: Type = None,
    since: From = None,
    until: To = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="So many at most.")] = 100,
    cursor: Annotated[str | None, typer.Option(help="Behind this one, as the notice after a full page says.")] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List events, newest first; with --dead dead letters with their reason, field and attempts."""
    asked = _chosen(sink, event_type, since, until) | {"limit": limit, "cursor": cursor, "dead": str(dead).lower()}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    found = call("GET", api, f"/api/v1/events?{query}")["dead_letters" if dead else "events"]
    if as_json:
        as_data(found)
    else:
        for line in _letters(found) if dead else _events(found):
            shown(line)
    if len(found) == limit:
        last = f"{found[-1]['seq']}:{found[-1]['sink']}" if dead else found[-1]["seq"]
        told(f"there may be more: --cursor {last}")


def _chosen(sink: str | None, event_type: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    given = {"sink": sink, "type": event_type, "since": since, "until": until}
    return {name: value for name, value in given.items() if value is not None}


def _events(found: list[dict[str, Any]]) -> Iterator[str]:
    """Draw the list: a key stays whole at any width, since the next command needs it."""
    columns = (Column("key"), Column("accepted"), Column("type", 14), Column("state"))
    return drawn(columns, ((each["key"], _hour(each), each["type"], each["state"]) for each in found))


def _letters(found: list[dict[str, Any]]) -> Iterator[str]:
    columns = (Column("key"), Column("accepted"), Column("type", 9), Column("sink", 6), Column("tries", right=True))
    rows = ((each["key"], _hour(each), each["type"], each["sink"], each["attempts"]) for each in found)
    head, *lines = drawn(columns, rows)
    yield head
    for line, each in zip(lines, found, strict=True):
        yield line
        yield f"    {_given_up(each) or each['reason']}" + (f" (field {each['field']})" if each["field"] else "")


def _hour(each: dict[str, Any]) -> str:
    return str(each["accepted_at"])[5:16].replace("T", " ")


def _given_up(letter: dict[str, Any]) -> str | None:
    discarded = letter["discarded"]
    return f"discarded by {discarded['actor']}: {discarded['reason']}" if discarded else None


@events.command("show")
def show(event_id: Id, api: Api = DEFAULT_API, as_json: AsJson = False) -> None:
    """Show an event whole, with what became of it at each sink."""
    found = call("GET", api, path_of("events", event_id))
    if as_json:
        as_data(found)
        return
    for line in fates(found):
        shown(line)
    as_data(found["event"])


@events.command("replay")
def replay(
    reason: Reason,
    event_ids: Ids = None,
    *,
    dead: Annotated[bool, typer.Option("--dead/--delivered", help="Dead letters, or what was delivered.")] = True,
    sink: Sink = None,
    event_type: Type = None,
    since: From = None,
    until: To = None,
    patch: Annotated[str | None, typer.Option(help="A JSON merge patch (RFC 7396), or the path of a file.")] = None,
    pace: Annotated[float | None, typer.Option(help="So many events a second at most.")] = None,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Send events again under their ids; without --yes, show what would go."""
    body = _chosen(sink, event_type, since, until) | {"dead": dead, "reason": reason}
    more = {"event_ids": event_ids or None, "patch": _patch(patch), "pace": pace}
    body |= {name: value for name, value in more.items() if value is not None}
    dry = call("POST", api, "/api/v1/events/replay", body | {"dry_run": True})
    if _shown_only(dry, "would send again", yes=yes, as_json=as_json):
        return
    answer = call("POST", api, "/api/v1/events/replay", body, **{"Idempotency-Key": str(uuid4())})
    if as_json:
        as_data(answer)
    else:
        shown(f"accepted: {answer['events']} events, {answer['location']}")


@events.command("cancel")
def cancel(
    replay_id: Annotated[str, typer.Argument(help="The replay's id, as the answer to it says.")],
    reason: Reason,
    *,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Stop a replay: what has not gone stays as it was; without --yes, show how much that is."""
    path = path_of("events", "replays", replay_id)
    answer = call("DELETE", api, f"{path}?{urlencode({'reason': reason})}") if yes else call("GET", api, path)
    if as_json:
        as_data(answer)
    else:
        shown(_stopped(answer) if yes else f"would stop: {_sum_of(answer, 'waiting')} of its events have not gone")
    if not yes:
        told(AGAIN)


def _stopped(replay: dict[str, Any]) -> str:
    gone = _sum_of(replay, "delivered") + _sum_of(replay, "refused")
    return f"cancelled: {_sum_of(replay, 'cancelled')} events stay as they were, {gone} had gone"


def _sum_of(replay: dict[str, Any], state: str) -> int:
    return sum(each[state] for each in replay["sinks"].values())


@events.command("discard")
def discard(
    reason: Reason,
    event_ids: Ids = None,
    *,
    by: Annotated[str | None, typer.Option(help="Your name; the one you are logged in with otherwise.")] = None,
    sink: Sink = None,
    event_type: Type = None,
    since: From = None,
    until: To = None,
    yes: Yes = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Give dead letters up, by name: they stay dead in the count; without --yes, show which."""
    chosen = _chosen(sink, event_type, since, until) | ({"event_ids": event_ids} if event_ids else {})
    body = chosen | {"reason": reason, "by": by or getpass.getuser()}
    dry = call("POST", api, "/api/v1/events/discard", body | {"dry_run": True})
    if _shown_only(dry, "would discard", yes=yes, as_json=as_json):
        return
    answer = call("POST", api, "/api/v1/events/discard", body, **{"Idempotency-Key": str(uuid4())})
    if as_json:
        as_data(answer)
    else:
        shown(f"discarded: {answer['discarded']} dead letters, by {answer['by']}")


def _patch(given: str | None) -> dict[str, Any] | None:
    if given is None:
        return None
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text()
        patch = json.loads(text)
    except (OSError, ValueError) as error:
        told(f"--patch: expected a JSON object, or a file with one, got {given!r}: {error}")
        raise typer.Exit(USAGE) from None
    if not isinstance(patch, dict):
        told(f"--patch: expected a JSON object, got {type(patch).__name__}")
        raise typer.Exit(USAGE)
    return patch


def _shown_only(dry: dict[str, Any], what: str, *, yes: bool, as_json: bool) -> bool:
    """Show what would happen, unless it shall and can; exits with 1 when there is nothing."""
    if yes and dry["events"]:
        return False
    if as_json:
        as_data(dry)
    else:
        sums = ", ".join(f"{count} to {sink}" for sink, count in sorted(dry["sinks"].items()))
        shown(f"{what}: {dry['events']}" + (f" ({sums})" if sums else ""))
        for each in dry["first"]:
            shown(f"{each['key']}  {each['accepted_at'][:19]}  {each['type']}  {each.get('reason', '')}")
    if not dry["events"]:
        told("nothing was done: there are none")
        raise typer.Exit(FAILED)
    told(AGAIN)
    return True
