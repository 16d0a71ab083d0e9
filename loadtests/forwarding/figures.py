"""The figures of the forwarding benchmark, and its targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from loadtests.forwarding.relaying import LIVE, SDK, STORED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.forwarding.relaying import Run

LEAST_OF_SDK: Final = 2.5
LEAST_OF_COPY: Final = 0.5
# A gateway that takes less than this multiple of what was sent to it would have been measured itself.
LEAST_ROOM: Final = 1.2
TARGET: Final = (
    f"one relay at least {LEAST_OF_SDK:g} x the SDK's client, 0 lost; "
    f"the warehouse at least {LEAST_OF_COPY:g} x plain COPY, 0 new rows in a replay"
)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """Rows a second, medians of the rounds; seconds from accept to queryable at `rate` events a second."""

    loaded: float
    copied: float
    ratio: float
    replayed: float
    new_by_replay: int
    missing: int
    rate: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `warehouse` is None where no PostgreSQL answered."""

    events: int
    rounds: int
    per_second: dict[str, float]
    of_sdk: dict[str, float]
    posts: dict[str, int]
    lost: int
    duplicates: int
    gateway_ceiling: float
    load_average: float
    warehouse: Warehouse | None = None
    target: str = TARGET
    missed: list[str] = field(default_factory=list)


def report_of(
    runs: Sequence[Run], events: int, ceiling: float, warehouse: Warehouse | None, load_average: float
) -> Report:
    """Sum it all up, and name what missed its target."""
    rates = {who: median(run.per_second for run in runs if run.who == who) for who in (SDK, STORED, LIVE)}
    ratios = {who: round(rates[who] / rates[SDK], 2) for who in (STORED, LIVE)}
    lost = sum(run.lost for run in runs)
    found = {
        f"{ratios[STORED]:.2f} x the SDK's client": ratios[STORED] < LEAST_OF_SDK,
        f"{lost} events lost": lost,
        f"the gateway takes {ceiling:.0f} a second: it was measured itself": ceiling < LEAST_ROOM * max(rates.values()),
        "no PostgreSQL: the warehouse was not measured": warehouse is None,
        **(_missed(warehouse) if warehouse else {}),
    }
    return Report(
        events=events,
        rounds=sum(run.who == SDK for run in runs),
        per_second={who: round(rate) for who, rate in rates.items()},
        of_sdk=ratios,
        posts={run.who: run.posts for run in runs},
        lost=lost,
        duplicates=sum(run.duplicates for run in runs),
        gateway_ceiling=round(ceiling),
        load_average=round(load_average, 2),
        warehouse=warehouse,
        missed=[told for told, wrong in found.items() if wrong],
    )


def _missed(warehouse: Warehouse) -> dict[str, bool]:
    return {
        f"{warehouse.ratio:.2f} x plain COPY": warehouse.ratio < LEAST_OF_COPY,
        f"{warehouse.new_by_replay} new rows in a replay": warehouse.new_by_replay != 0,
        f"{warehouse.missing} rows were not loaded": warehouse.missing != 0,
    }


def warehouse_of(rounds: Sequence[Mapping[str, float]], latencies: Sequence[float], rate: int) -> Warehouse:
    """Sum the rounds and the latencies up; the ratio is the median of the rounds' own."""
    cuts = quantiles(latencies, n=100)
    return Warehouse(
        loaded=round(median(each["loaded"] for each in rounds)),
        copied=round(median(each["copied"] for each in rounds)),
        ratio=round(median(each["loaded"] / each["copied"] for each in rounds), 2),
        replayed=round(median(each["replayed"] for each in rounds)),
        new_by_replay=int(sum(each["new_by_replay"] for each in rounds)),
        missing=int(sum(each["rows"] - each["new"] for each in rounds)),
        rate=rate,
        p50=round(cuts[49], 3),
        p95=round(cuts[94], 3),
        p99=round(cuts[98], 3),
    )


def described(report: Report) -> str:
    """Write the report as a person reads it."""
    rates, of = report.per_second, report.of_sdk
    lines = [
        f"events a second at the gateway, {report.events} a turn, median of {report.rounds} rounds",
        f"  the SDK's own client          {rates[SDK]:9.0f}",
        f"  one relay, from its log       {rates[STORED]:9.0f}   {of[STORED]:.2f} x",
        f"  one relay, log being filled   {rates[LIVE]:9.0f}   {of[LIVE]:.2f} x",
        f"  the gateway itself, at most   {report.gateway_ceiling:9.0f}",
        f"  lost {report.lost}, delivered twice {report.duplicates}",
        *(_told(report.warehouse) if report.warehouse else []),
        f"load average before: {report.load_average}",
    ]
    verdict = f"MISSED: {'; '.join(report.missed)}" if report.missed else "met"
    return "\n".join([*lines, f"target: {report.target}: {verdict}"])


def _told(warehouse: Warehouse) -> list[str]:
    return [
        "rows a second into PostgreSQL",
        f"  the warehouse's loader        {warehouse.loaded:9.0f}   {warehouse.ratio:.2f} x",
        f"  plain COPY                    {warehouse.copied:9.0f}",
        f"  loaded rows again             {warehouse.replayed:9.0f}   {warehouse.new_by_replay} new",
        f"seconds from accept to queryable at {warehouse.rate} events a second",
        f"  p50 {warehouse.p50:.3f}   p95 {warehouse.p95:.3f}   p99 {warehouse.p99:.3f}",
    ]
