"""The verb that tells why something is as it is: a task, a failure, an incident, an event."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.answers import Refusal
from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown
from orchestrator.cli.columns import wrapped
from orchestrator.cli.naming import incident_of, recovery_of
from orchestrator.cli.stories import standing, told, told_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

STATES: Final = {
    "filtered": "filtered: this sink does not take such events",
    "sampled_out": "sampled out: its trace is not in this sink's share",
    "pending": "pending: it waits for its turn",
    "delivered": "delivered",
    "dead": "dead: the sink refused it for good",
}
INDENT: Final = " " * 12
BEGINNING: Final = re.compile(r"[0-9a-f-]{4,35}")
# Lines of the story that an event tells of, below what became of the event itself.
MOST_STEPS: Final = 16
# Steps of the event itself, which are told by its sinks.
OF_EVENTS: Final = "event."


def why(
    named: Annotated[
        str,
        typer.Argument(metavar="ID", help="Of a task, a failure, an incident, a recovery, a redrive, an event."),
    ],
    everything: Annotated[bool, typer.Option("--all", help="Fold nothing.")] = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Tell why something is as it is: each step of it with its time and reason, what it waits for, what to do next."""
    found = _found(api, named)
    if as_json:
        as_data(found)
        return
    lines = _event(found, whole=everything) if found["about"] == "event" else told(found, whole=everything)
    for line in lines:
        shown(line)


def _found(api: str, named: str) -> dict[str, Any]:
    """Ask for a story; what nobody knows may be the beginning of an incident's or a recovery's id."""
    with suppress(Refusal):
        return call("GET", api, path_of("why", named))
    for meant in (incident_of, recovery_of) if BEGINNING.fullmatch(named) else ():
        with suppress(Refusal):
            return call("GET", api, path_of("why", meant(api, named)))
    return call("GET", api, path_of("why", named))


def _event(found: dict[str, Any], *, whole: bool) -> Iterator[str]:
    """Give the lines about an event, what became of it, and what it tells of."""
    yield from fates(found)
    of = [each for each in found["steps"] if not each["what"].startswith(OF_EVENTS)]
    if of:
        yield from wrapped(found["title"], f"{'tells of':<12}")
        yield from told_steps(of, found["id"], 0 if whole else MOST_STEPS)
    yield from standing(found["now"])


def fates(found: dict[str, Any]) -> Iterator[str]:
    """Give the lines about an event and what became of it at each sink."""
    yield from wrapped(f"{found['id']} from {found['source']}", f"{'event':<12}")
    yield f"key         {found['key']}"
    yield from wrapped(f"{found['type']}, {found['bytes']} bytes, lane {found['lane']}", f"{'type':<12}")
    yield from wrapped(f"{found['accepted_at']}, told as {found['time']}", f"{'accepted':<12}")
    if found["trace_id"]:
        yield from wrapped(found["trace_id"], f"{'trace':<12}")
    for each in found["sinks"]:
        yield from _fate(each)


def _fate(each: dict[str, Any]) -> Iterator[str]:
    row = {None: "", True: "; its row is there", False: "; there is no row of it"}[each["row"]]
    state = f"{STATES[each['state']]}{row if each['state'] == 'delivered' or each['row'] else ''}"
    yield from wrapped(state, f"{each['sink']:<11} ", INDENT)
    letter = each["dead_letter"]
    if letter:
        field = f" (field {letter['field']})" if letter["field"] else ""
        refused = f"{letter['reason']}{field}, after {letter['attempts']} tries, at {letter['refused_at']}"
        yield from wrapped(refused, INDENT)
        if letter["discarded"]:
            gone = letter["discarded"]
            yield from wrapped(f"discarded by {gone['actor']} at {gone['at']}: {gone['reason']}", INDENT)
    for answer in each["answers"]:
        yield from wrapped(f"answer {answer['at']} {answer['outcome']}: {answer['detail'] or '-'}", INDENT)
    for replay in each["replays"]:
        reason = f": {replay['reason']}" if "reason" in replay else ""
        by = f" by {replay['asked_by']} ({replay['asked_because']})" if "asked_by" in replay else ""
        yield from wrapped(f"replay {replay['id']}{by} {replay['state']}{reason}", INDENT)
