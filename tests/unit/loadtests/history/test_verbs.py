"""`compare` and `trend` print what they found, end with what they found, and say what is missing."""

from __future__ import annotations

import argparse
import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.history import verbs
from loadtests.history.comparing import compared
from loadtests.history.store import History
from loadtests.history.texts import number
from tests.loadtest_reports import CONTROL, MACHINE, figure, noisy, report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Eight nights of equal code."""
    made, dice = History(tmp_path), Random(1)
    for night in range(8):
        made.add(noisy(dice, night))
    return made


def asked(history: History, *words: str) -> int:
    """Run a command on a history, as `python -m loadtests` does."""
    reader = argparse.ArgumentParser()
    verbs.describe(reader.add_subparsers(required=True))
    arguments = reader.parse_args([*words, "--history", str(history.folder)])
    return int(arguments.run(arguments))


def test_a_trend_of_equal_nights(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    """Each night a line, each tested figure a line, the rule in words, and 0."""
    assert asked(history, "trend") == 0
    out = capsys.readouterr().out
    assert "smoke on embedded, 4 cores, 16 GB, a processor, Linux, Python 3.11: 8 runs that are alike" in out
    assert sum(line.startswith("202611") for line in out.splitlines()) == 8
    assert "✓ not slower" in out
    assert "at least 10% above what the last 6 to 20 comparable runs and this run's control foretell" in out


def test_a_slower_night_ends_with_99(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures that are slower are named, in words and as data."""
    history.add(noisy(Random(5), 8, slower=1.3))
    assert asked(history, "trend", "smoke", "--last", "3") == 99
    out = capsys.readouterr().out
    assert "✗ SLOWER than 8 runs before: orchestrator_cpu_us_per_call" in out
    assert sum(line.startswith("202611") for line in out.splitlines()) == 3
    assert asked(history, "trend", "--json") == 99
    told = json.loads(capsys.readouterr().out)
    assert "orchestrator_cpu_us_per_call" in told["slower"]
    assert len(told["runs"]) == 9
    assert asked(history, "compare", "20261101", "last") == 99
    assert "SLOWER" in capsys.readouterr().out


def test_too_few_nights_are_said_to_be_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is called 'not slower' that was not tested."""
    history = History(tmp_path)
    history.add(report(0))
    assert asked(history, "trend") == 0
    out = capsys.readouterr().out
    assert "not tested: expected at least 6 comparable runs before it" in out
    assert "not slower" not in out


@pytest.mark.parametrize(
    "words", [("trend",), ("trend", "soak"), ("compare", "a", "b"), ("trend", "--engines", "real")]
)
def test_what_is_not_there_is_told(
    tmp_path: Path, history: History, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """On stderr, with what was expected, and 1; never a traceback."""
    there = History(tmp_path / "none") if words == ("trend",) else history
    assert asked(there, *words) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "expected" in told.err
    assert "got none" in told.err


@pytest.mark.parametrize("wrong", [["trend", "--last", "0"], ["compare", "a"], ["trend", "--engines", "both"]])
def test_wrong_usage_is_2(history: History, wrong: list[str]) -> None:
    """As every command of this package."""
    with pytest.raises(SystemExit) as ended:
        asked(history, *wrong)
    assert ended.value.code == 2


def test_two_runs_side_by_side(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    """Both with intervals, the ratio, whether intervals are apart, what was not measured, what is not alike."""
    first = report(20, figures=[figure("api_p50_ms", 8.0, low=7.0, high=9.0), figure("events_lost", 0)])
    changes: dict[str, Any] = {"machine": MACHINE | {"kind": "another"}, "versions": {"celery": "5.6"}}
    second = report(
        21, figures=[figure("api_p50_ms", 12.0, low=11.0, high=13.0)], control=CONTROL | {"loop_s": 0.03}, **changes
    )
    for each in (first, second):
        history.add(each)
    assert asked(history, "compare", str(first["run_id"]), "last") == 0
    out = capsys.readouterr().out
    assert "8 (7 to 9)" in out
    assert "12 (11 to 13)" in out
    assert "1.500  intervals apart" in out
    assert "not alike: machine: 4 cores, 16 GB, a processor, Linux, Python 3.11 and another" in out
    assert "not alike: versions.celery: 5.5.3 and 5.6" in out
    assert "not measured" in out
    assert "control loop_s" in out


@pytest.mark.parametrize(
    ("low", "high", "apart"), [(8.5, 9.5, False), (9.1, 10.0, True), (1.0, 6.9, True), (None, 9, None)]
)
def test_intervals_that_meet_are_not_apart(low: float | None, high: float, *, apart: bool | None) -> None:
    """And one without an end says nothing."""
    first = report(0, figures=[figure("api_p50_ms", 8.0, low=7.0, high=9.0)])
    second = report(1, figures=[figure("api_p50_ms", 8.0, low=low, high=high)])
    assert compared(first, second)["figures"][0]["apart"] is apart


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (0.98, "0.98"), (0.00012345, "0.0001234"), (999.94, "999.9"), (-16961.25, "-16,961")],
)
def test_a_number_is_short(value: float | None, text: str) -> None:
    """Four digits, none of them as a power of ten where people read them."""
    assert number(value) == text


def test_a_ratio_needs_two_numbers_above_0() -> None:
    """Zero, a negative difference and a figure that is missing have none."""
    first = report(0, {"api_p50_ms": 0.0, "worker_cpu_overhead_us": -1.0})
    told = {each["figure"]: each["ratio"] for each in compared(first, report(1))["figures"]}
    assert (told["api_p50_ms"], told["worker_cpu_overhead_us"], told["overhead_p95_ms"]) == (None, None, 1.0)
