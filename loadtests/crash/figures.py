"""The figures of a crash run, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.crash.stores import EVERY_EVENT, OWN_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.crash.playing import Played

TARGET: Final = (
    "accepted lost 0 in every sink; warehouse duplicates 0; RudderStack duplicates all under the same messageId; "
    "every sink's counts add up; every place was died at"
)


@dataclass(frozen=True, slots=True)
class Report:
    """One run in figures. `strangers` came under an id that nobody sent; `deliveries` counts the gateway's messages."""

    store: str
    seed: int
    seconds: float
    kills: int
    kills_at: Mapping[str, int]
    accepted: int
    accepted_by: Mapping[str, int]
    lost_in_warehouse: int
    lost_at_gateway: int
    warehouse_duplicates: int
    deliveries: int
    gateway_duplicates: int
    replays: int
    strangers: int
    counts_add_up: bool
    load_average: float
    target: str
    missed: list[str]


def report_of(played: Played, store: str, seed: int, load_average: float) -> Report:
    """Make the report of what was there at the end, and name what is wrong."""
    lost, gateway_lost = lost_rows(played), len(played.accepted.keys() - played.delivered.keys())
    duplicates, add_up = duplicate_rows(played), all(each["adds_up"] for each in played.sinks.values())
    deliveries = sum(played.delivered.values())
    strangers = len(set(played.rows[EVERY_EVENT]) ^ played.delivered.keys())
    found = {
        f"{lost} accepted events have no row": lost,
        f"{gateway_lost} accepted events never came to the gateway": gateway_lost,
        f"{duplicates} rows are there twice": duplicates,
        f"{strangers} ids are in one of the two sinks only": strangers,
        f"counts that do not add up: {played.sinks}": not add_up,
        f"places never come by: {', '.join(played.unfired)}": played.unfired,
        "nothing was accepted": not played.accepted,
    }
    return Report(
        store=store,
        seed=seed,
        seconds=played.seconds,
        kills=played.kills,
        kills_at=Counter(played.fired),
        accepted=len(played.accepted),
        accepted_by=played.by_way,
        lost_in_warehouse=lost,
        lost_at_gateway=gateway_lost,
        warehouse_duplicates=duplicates,
        deliveries=deliveries,
        gateway_duplicates=deliveries - len(played.delivered),
        replays=played.replays,
        strangers=strangers,
        counts_add_up=add_up,
        load_average=round(load_average, 2),
        target=TARGET,
        missed=[told for told, wrong in found.items() if wrong],
    )


def lost_rows(played: Played) -> int:
    """Count accepted events that a table of the warehouse which should have them has not."""
    lost = len(played.accepted.keys() - set(played.rows[EVERY_EVENT]))
    for kind, table in OWN_TABLES.items():
        lost += len({key for key, each in played.accepted.items() if each == kind} - set(played.rows[table]))
    return lost


def duplicate_rows(played: Played) -> int:
    """Count rows beyond the first of their event."""
    return sum(len(ids) - len(set(ids)) for ids in played.rows.values())


def described(report: Report) -> str:
    """Write the report as a person reads it."""
    places = ", ".join(report.kills_at)
    ways = ", ".join(f"{number} by {way}" for way, number in report.accepted_by.items())
    verdict = f"MISSED: {'; '.join(report.missed)}" if report.missed else "met"
    return "\n".join(
        [
            f"{report.store}: {report.kills} SIGKILLs in {report.seconds:.0f} s, seed {report.seed}",
            f"  at named places       {len(report.kills_at)}: {places}",
            f"  accepted              {report.accepted} ({ways})",
            f"  lost                  {report.lost_in_warehouse} in the warehouse, {report.lost_at_gateway} elsewhere",
            f"  warehouse duplicates  {report.warehouse_duplicates}",
            f"  gateway duplicates    {report.gateway_duplicates} of {report.deliveries}, each under its one messageId",
            f"  replays asked for     {report.replays}, of up to 20 events each: some of those duplicates are theirs",
            f"  counts add up         {'yes' if report.counts_add_up else 'NO'}",
            f"load average before: {report.load_average}",
            f"target: {report.target}: {verdict}",
        ]
    )
