"""The plan of `bench first-retry`: the declared quantiles and shares, the same for the same seed."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from random import Random
from statistics import quantiles

import pytest

from loadtests.first_retry.plan import RECOVERABLE, Kind, declared, draw, durations, outage_minutes, read
from loadtests.first_retry.settings import PROBE_SECONDS, TIMES, environ, retry_defaults


def test_outages_have_the_quantiles_of_the_public_records() -> None:
    """The distribution has the declared median and 90th percentile, and many drawn outages have them too."""
    told = declared()["outage"]
    assert outage_minutes(0.5, told["median_minutes"], told["p90_minutes"]) == pytest.approx(77)
    assert outage_minutes(0.9, told["median_minutes"], told["p90_minutes"]) == pytest.approx(307)
    drawn = durations(told | {"dependencies": 2_000}, Random(1))
    assert quantiles(drawn, n=10)[4] == pytest.approx(77, rel=0.02)
    assert quantiles(drawn, n=10)[8] == pytest.approx(307, rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_a_few_outages_have_that_shape_as_well(seed: int) -> None:
    """Of the eight of a run, half are shorter than the median whatever the seed, and one is longer than the 87th."""
    told = declared()["outage"]
    drawn = durations(told, Random(seed))
    assert sum(each < told["median_minutes"] for each in drawn) == len(drawn) / 2
    assert max(drawn) > outage_minutes(0.87, told["median_minutes"], told["p90_minutes"])


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_holds_what_is_declared(seed: int) -> None:
    """Each kind is there as often as declared, windows scaled; a tenth of the failures to expect is permanent."""
    mix = declared()
    plan = draw(mix, seed)
    own = Counter(each.kind for each in plan.calls if each.kind)
    assert own[Kind.OOM] == mix["oom"]["calls"]
    assert own[Kind.POISON] == mix["poison"]["calls"]
    assert own[Kind.DEADLOCK] == mix["deadlock"]["calls"]
    windows = Counter(each.kind for each in plan.windows)
    assert windows == {Kind.OUTAGE: 8, Kind.PARTIAL: 2, Kind.RATE_LIMITED: 4}
    assert all(each.ends - each.begins == pytest.approx(90 * 60 / 240) for each in plan.windows if each.error_rate < 1)
    in_windows = [plan.window(each.dependency, each.at) for each in plan.calls if each.kind is None]
    expected = sum(each.error_rate for each in in_windows if each) + own.total()
    assert own[Kind.PERMANENT] / expected == pytest.approx(0.1, abs=0.01)


def test_a_plan_is_the_same_for_the_same_seed_and_survives_the_way_to_another_process() -> None:
    """Every contestant's processes read the plan that the bench drew."""
    plan = draw(declared(), 3)
    assert plan == draw(declared(), 3)
    assert plan != draw(declared(), 4)
    assert read(plan.text()) == plan


def test_windows_of_one_dependency_do_not_overlap() -> None:
    """When a window ends, its dependency is back: the waits that are told begin there."""
    for seed in range(20):
        windows = sorted(draw(declared(), seed).windows, key=lambda each: (each.dependency, each.begins))
        for one, other in pairwise(windows):
            assert one.dependency != other.dependency or one.ends <= other.begins


def test_permanent_and_poison_are_not_recoverable() -> None:
    """What never succeeds is no recoverable failure, everything else is."""
    assert set(Kind) - RECOVERABLE == {Kind.PERMANENT, Kind.POISON}


def test_redrive_s_times_are_scaled_as_everybody_s_are() -> None:
    """Each time that Redrive is told is the world's divided by the scale; every dependency has a probe of its own."""
    plan = draw(declared(), 3)
    tables = json.loads(environ(plan, "http://127.0.0.1:1")["REDRIVE_DEPENDENCIES"])
    assert set(tables) == set(plan.dependencies)
    table = tables["model-0"]
    assert table["probe"] == {"http": "http://127.0.0.1:1/health/model-0", "every_seconds": PROBE_SECONDS / 240}
    assert {name: table[name] * 240 for name in TIMES} == pytest.approx(dict(TIMES))
    assert retry_defaults(plan) == {"first_after_seconds": 1 / 240, "max_distance_seconds": 300 / 240}
