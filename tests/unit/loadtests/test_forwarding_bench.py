"""The figures of `bench forwarding`: medians and ratios of what was given, and each missed target named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.forwarding.figures import described, report_of, warehouse_of
from loadtests.forwarding.relaying import LIVE, SDK, STORED, Run

RUNS = [
    Run(who, per_second, posts=2, lost=0, duplicates=0)
    for who, rates in {SDK: (900, 1000, 5000), STORED: (2600, 2700, 2800), LIVE: (2000, 2000, 2000)}.items()
    for per_second in rates
]
SLOW = [replace(run, per_second=run.per_second / 2) if run.who == STORED else run for run in RUNS]
LOADED = {"loaded": 60.0, "copied": 100.0, "replayed": 80.0, "rows": 10, "new": 10, "new_by_replay": 0}
WAREHOUSE = warehouse_of([LOADED] * 3, [0.1] * 95 + [0.9] * 5, 1_000)


def test_the_ratio_is_of_medians_and_all_targets_met_is_said() -> None:
    """One fast turn of the SDK's client does not move its median."""
    report = report_of(RUNS, 100, 10_000, WAREHOUSE, 0.5)
    assert (report.of_sdk, report.rounds, report.missed) == ({STORED: 2.7, LIVE: 2.0}, 3, [])
    assert described(report).endswith(": met")


def test_the_percentiles_are_those_of_the_slowest() -> None:
    """Five slow events in a hundred are beyond the 95th percentile's edge, and in the 99th."""
    assert (WAREHOUSE.p50, WAREHOUSE.p99, WAREHOUSE.ratio) == (0.1, 0.9, 0.6)


@pytest.mark.parametrize(
    ("runs", "ceiling", "warehouse", "told"),
    [
        (SLOW, 1e6, WAREHOUSE, "1.35 x"),
        ([replace(RUNS[0], lost=1), *RUNS[1:]], 1e6, WAREHOUSE, "1 events lost"),
        (RUNS, 2_800, WAREHOUSE, "it was measured itself"),
        (RUNS, 1e6, None, "no PostgreSQL"),
        (RUNS, 1e6, warehouse_of([LOADED | {"loaded": 40.0}], [0.1] * 9, 1_000), "0.40 x plain COPY"),
        (RUNS, 1e6, warehouse_of([LOADED | {"new_by_replay": 3}], [0.1] * 9, 1_000), "3 new rows"),
        (RUNS, 1e6, warehouse_of([LOADED | {"new": 8}], [0.1] * 9, 1_000), "2 rows were not loaded"),
    ],
)
def test_a_missed_target_is_named(runs: list[Run], ceiling: float, warehouse: object, told: str) -> None:
    """Too slow, lost, doubled in the warehouse, or not measured at all: each is said."""
    report = report_of(runs, 100, ceiling, warehouse, 0.5)
    assert len(report.missed) == 1
    assert told in report.missed[0]
    assert "MISSED" in described(report)
