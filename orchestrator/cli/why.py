"""The verb that tells why an event is where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

STATES: Final = {
    "filtered": "filtered: this sink does not take such events",
    "sampled_out": "sampled out: its trace is not in this sink's share",
    "pending": "pending: it waits for its turn",
    "delivered": "delivered",
    "dead": "dead: the sink refused it for good",
}


def why(
    event_id: Annotated[str, typer.Argument(help="The event's id, or its key.")],
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Tell why an event is where it is: accepted when, and for each sink its state, answers, replays, row."""
    found = call("GET", api, path_of("events", event_id, "why"))
    if as_json:
        as_data(found)
        return
    for line in fates(found):
        shown(line)


def fates(found: dict[str, Any]) -> Iterator[str]:
    """Give the lines about an event and what became of it at each sink."""
    yield f"event       {found['id']} from {found['source']}"
    yield f"key         {found['key']}"
    yield f"type        {found['type']}, {found['bytes']} bytes, lane {found['lane']}"
    yield f"accepted    {found['accepted_at']}, told as {found['time']}"
    if found["trace_id"]:
        yield f"trace       {found['trace_id']}"
    for each in found["sinks"]:
        yield from _fate(each)


def _fate(each: dict[str, Any]) -> Iterator[str]:
    row = {None: "", True: "; its row is there", False: "; there is no row of it"}[each["row"]]
    yield f"{each['sink']:<11} {STATES[each['state']]}{row if each['state'] == 'delivered' or each['row'] else ''}"
    letter = each["dead_letter"]
    if letter:
        field = f" (field {letter['field']})" if letter["field"] else ""
        yield f"            {letter['reason']}{field}, after {letter['attempts']} tries, at {letter['refused_at']}"
        if letter["discarded"]:
            gone = letter["discarded"]
            yield f"            discarded by {gone['actor']} at {gone['at']}: {gone['reason']}"
    for answer in each["answers"]:
        yield f"            answer {answer['at']} {answer['outcome']}: {answer['detail'] or '-'}"
    for replay in each["replays"]:
        reason = f": {replay['reason']}" if "reason" in replay else ""
        by = f" by {replay['asked_by']} ({replay['asked_because']})" if "asked_by" in replay else ""
        yield f"            replay {replay['id']}{by} {replay['state']}{reason}"
