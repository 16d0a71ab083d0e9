"""The verb that shows what tasks lean on, and how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, shown
from orchestrator.cli.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cli.tables import Cell

MOST: Final = 1_000
COLUMNS: Final = (
    Column("dependency", 12),
    Column("state"),
    Column("evidence", right=True),
    Column("ramp"),
    Column("budget", right=True),
    Column("probe"),
    Column("held", right=True),
)


def dependencies(
    name: Annotated[str | None, typer.Argument(help="Show this one whole.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="So many at most, by name.")] = MOST,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List what tasks lean on: state, evidence, window, budget, next probe; or show one."""
    found = call("GET", api, path_of("dependencies", name) if name else f"/api/v1/dependencies?limit={limit}")
    if as_json:
        as_data(found if name else found["dependencies"])
    elif name:
        for line in _told(found):
            shown(line)
    else:
        print_table(COLUMNS, map(_row, found["dependencies"]))


def _row(each: dict[str, Any]) -> tuple[Cell, ...]:
    """Give a row of the list; evidence is failures of all runs lately, and passes of those needed."""
    health = "HELD" if each["hold"] else each["health"]
    budget = f"{each['budget']['tokens']:.0f}"
    return each["name"], health, _evidence(each), _window(each), budget, _probe(each), each["held_failures"]


def _evidence(each: dict[str, Any]) -> str:
    evidence = each["evidence"]
    runs = evidence["failures"] + evidence["successes"]
    return f"{evidence['failures']:.0f}/{runs:.0f}, {evidence['passes']}/{evidence['passes_needed']}"


def _window(each: dict[str, Any]) -> str:
    ramp = each["ramp"]
    if ramp is None:
        return "-"
    return f"{ramp['in_flight']}/{ramp['window']:.0f}" if ramp["phase"] == "ramping" else str(ramp["phase"])


def _probe(each: dict[str, Any]) -> str:
    at = each["probe"]["next_at"]
    return at[11:19] if at else "-"


def _told(each: dict[str, Any]) -> Iterator[str]:
    evidence, budget, probe, ramp = each["evidence"], each["budget"], each["probe"], each["ramp"]
    yield f"dependency  {each['name']}"
    yield f"health      {each['health']} since {each['since'] or 'ever'}: {each['why']}"
    counts = f"{evidence['failures']:.1f} failures, {evidence['successes']:.1f} successes"
    yield f"evidence    {counts} ({evidence['rate']:.0%}), half of it gone in {evidence['half_life_seconds']:.0f} s"
    yield f"passes      {evidence['passes']} in a row of {evidence['passes_needed']} needed"
    if ramp:
        gate = f", gate at {ramp['gate_at']}" if ramp["gate_at"] else ""
        window = f"{ramp['in_flight']} in flight, window {ramp['window']}, {ramp['tries']} tries"
        yield f"ramp        {ramp['phase']}: {window}{gate}"
    yield from (f"waits for   {why}" for why in each["waits_for"])
    yield f"budget      {budget['tokens']:.0f} of {budget['burst']:.0f} tokens, {budget['per_second']:.1f} a second"
    if each["not_before"]:
        yield f"not before  {each['not_before']}"
    if each["hold"]:
        yield f"held        by {each['hold']['by']} at {each['hold']['at']}: {each['hold']['reason']}"
    yield f"probe       next {probe['next_at'] or 'none'}; last: {probe['last'] or 'none'}"
    yield f"waiting     {each['held_failures']} failures of {each['open_incidents']} incidents"
    yield from (f"incident    {one['id']} {one['kind']} {one['task']}" for one in each["incidents"])
