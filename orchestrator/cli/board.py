"""One screen of everything that an operator watches: what failed, what it leans on, what is on its way, what waits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.following import BAR, share_of
from orchestrator.cli.lines import first_cells
from orchestrator.cli.naming import short
from orchestrator.cli.outlook import outlook, painful
from orchestrator.cli.safety import safe
from orchestrator.cli.tables import Column, bar, drawn, figure
from orchestrator.cli.times import coarse, lasting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from orchestrator.cli.tables import Cell

MOST_RECOVERIES: Final = 3
MOST_DEPENDENCIES: Final = 5
# Three lines about the whole, a head and a gap for each of three tables, and what to type at the foot.
FIXED: Final = 3 + 3 * 2 + 2
SAMPLE: Final = re.compile(r"^(redrive_\w+)(?:\{([^}]*)\})? ([0-9.eE+-]+)$", re.MULTILINE)
UNITS: Final = ("B", "KiB", "MiB", "GiB")
KILO: Final = 1_024
SICK: Final = ("down", "held", "suspect", "recovering")
RECOVERIES: Final = (
    Column("recovery"),
    Column("state"),
    Column("progress"),
    Column("recovered", right=True),
    Column("of", right=True),
    Column("a second", right=True),
    Column("left", right=True),
    Column("by", 6),
)
DEPENDENCIES: Final = (
    Column("dependency", 12),
    Column("health"),
    Column("failing", right=True),
    Column("window", right=True),
    Column("waiting", right=True),
    Column("waits for", 12),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API answered at one moment. `rates` are tasks that end a second, by the id of a recovery."""

    at: datetime
    summary: Mapping[str, Any]
    incidents: list[dict[str, Any]]
    dependencies: list[dict[str, Any]]
    recoveries: list[dict[str, Any]]
    metrics: str
    rates: Mapping[str, float | None] = field(default_factory=dict)


def board(seen: Seen, columns: int, rows: int) -> list[str]:
    """Draw the screen: lines of so many cells at most, and no more of them than rows, the worst first."""
    spare = max(rows - FIXED, 3)
    recoveries = seen.recoveries[: min(MOST_RECOVERIES, spare // 3)]
    dependencies = _worst(seen.dependencies)[: min(MOST_DEPENDENCIES, spare // 3)]
    left = spare - len(recoveries) - len(dependencies)
    found = painful(seen.incidents)
    shown = found if len(found) <= left else found[: max(left - 1, 1)]
    lines = [*_whole(seen), ""]
    health = {each["name"]: "held" if each["hold"] else each["health"] for each in seen.dependencies}
    lines += outlook(shown, health, seen.at, columns) if shown else ["nothing has failed that is open"]
    if len(shown) < len(found):
        lines.append(f"and {len(found) - len(shown):,} more: redrive incidents list")
    lines += ["", *drawn(DEPENDENCIES, map(_dependency, dependencies), columns)] if dependencies else []
    lines += ["", *drawn(RECOVERIES, (_recovery(each, seen) for each in recoveries), columns)] if recoveries else []
    ids = [each["id"] for each in found]
    lines += ["", f"next: redrive incidents show {short(ids[0], ids)}"] if found else []
    return [first_cells(safe(line), columns) for line in lines[:rows]]


def _whole(seen: Seen) -> Iterator[str]:
    """Say the mode and the time, the failures by state, the share of first retries, and what is late."""
    counts = {name: number for name, number in seen.summary["failures"].items() if number}
    states = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(counts.items()))
    yield f"redrive     {seen.summary['mode']}  {seen.at:%Y-%m-%d %H:%M:%S}Z  {states or 'no failure'}"
    first = seen.summary["first_retry"]
    tried, well = first["first_attempts"], first["first_successes"]
    share = f"{well / tried:.1%} succeeded ({well:,} of {tried:,})" if tried else "none yet"
    yield f"first retry {share}, {first['first_in_flight']:,} in flight, {first['duplicates']:,} duplicates"
    yield f"late        {_late(seen.metrics)}"


def _late(text: str) -> str:
    """Say from the metrics how old what waits is, and what lies on workers' disks."""
    held = _greatest(text, "redrive_held_oldest_seconds")
    spool = _greatest(text, "redrive_spool_bytes") or 0.0
    triggers = _greatest(text, "redrive_dispatch_oldest_seconds")
    sinks = _greatest(text, "redrive_sink_oldest_seconds")
    told = {"oldest held": held, "trigger": triggers, "sink": sinks}
    said = [f"{name} {lasting(seconds)}" for name, seconds in told.items() if seconds is not None]
    return ", ".join([*said, f"spool {_bytes(spool)}"])


def _greatest(text: str, name: str) -> float | None:
    values = [float(value) for found, _, value in SAMPLE.findall(text) if found == name]
    return max(values, default=None)


def _bytes(number: float) -> str:
    for unit in UNITS:
        if number < KILO or unit == UNITS[-1]:
            break
        number /= KILO
    return f"{number:.0f} {unit}"


def _worst(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order dependencies: those that somebody holds or that are down first, then those for which most waits."""

    def place(each: dict[str, Any]) -> tuple[int, int]:
        health = "held" if each["hold"] else each["health"]
        return SICK.index(health) if health in SICK else len(SICK), -each["held_failures"]

    return sorted(found, key=place)


def _dependency(each: dict[str, Any]) -> tuple[Cell, ...]:
    evidence, ramp = each["evidence"], each["ramp"]
    window = f"{ramp['in_flight']}/{ramp['window']:.0f}" if ramp else None
    health = "held" if each["hold"] else each["health"]
    waits = each["waits_for"][0] if each["waits_for"] else None
    return each["name"], health, f"{evidence['rate']:.0%}", window, each["held_failures"], waits


def _recovery(each: dict[str, Any], seen: Seen) -> tuple[Cell, ...]:
    progress, left, rate = each["progress"], each.get("seconds_left"), seen.rates.get(each["id"])
    told = (figure(rate) if rate is not None else None, coarse(left) if left is not None else None)
    begun = short(each["id"], [one["id"] for one in seen.recoveries])
    drawn_bar = bar(share_of(each), BAR)
    return begun, each["state"], drawn_bar, progress["recovered"], progress["asked"], *told, each["actor"]
