"""The measure of the regression test itself: a test that cries wolf and one that sleeps are both told."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from random import Random
from typing import TYPE_CHECKING

import pytest

from loadtests.bench import trend_alarms
from loadtests.history.alarms import Share, alarms, spreads
from loadtests.history.reading import reading_of
from loadtests.history.regression import Rule
from loadtests.history.store import History
from tests.loadtest_reports import noisy, report

if TYPE_CHECKING:
    from pathlib import Path

SLOW = {"settings": {"scenario": {"name": "smoke", "rate": 20.0, "seed": 1}, "sabotage": "slower-build"}}


def filled(folder: Path, nights: int, spread: float = 0.03, slowed: int = 0) -> History:
    """Make a history of equal code, and some runs of a slower build."""
    history, dice = History(folder), Random(2)
    for night in range(nights):
        history.add(noisy(dice, night, spread))
    for night in range(nights, nights + slowed):
        history.add(noisy(dice, night, spread, slower=1.2) | SLOW)
    return history


def bench(history: History, *words: str, as_json: bool = False) -> int:
    """Run the benchmark on a history."""
    parser = ArgumentParser()
    trend_alarms.options(parser)
    return trend_alarms.main(as_json, parser.parse_args(["--history", str(history.folder), "--orders", "40", *words]))


def test_it_keeps_to_its_rule_on_figures_that_swing_little(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both shares with their counts and intervals, in words and as data; 0."""
    history = filled(tmp_path, 14, slowed=2)
    assert bench(history) == 0
    out = capsys.readouterr().out
    assert "14 runs that are alike, of 1 commit;" in out
    assert "found, builds slower on purpose, 10 runs before: 80 of 80, 100.0% (not independent: no interval)" in out
    assert "of these builds, found in most draws: 2 of 2, 100.0% (95 %: 34.2% to 100.0%)" in out
    assert "not shown to break its rule of 5% of equal runs told slower" in out
    assert "the builds that are 20 % slower are found" in out
    assert bench(history, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["each"]["of"], told["nights"]["of"], told["found_runs"]["count"]) == (14, 14, 320, 2)
    assert told["commits"] == ["0861986f0d7b6f0e"]


def test_figures_that_swing_much_hide_a_slower_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is played that is slower, so that made-up runs are judged: too few are found, and it ends with 99."""
    assert bench(filled(tmp_path, 12, spread=0.2)) == 99
    out = capsys.readouterr().out
    assert "MISSED: fewer than 80% of slower builds are found" in out
    assert "builds slower on purpose, 10 runs before: none was played that could be tested" in out


def test_without_a_slower_build_nobody_has_shown_that_one_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs whose figures are made larger stand in for nothing: it ends with 1, and says what to play."""
    assert bench(filled(tmp_path, 14)) == 1
    out = capsys.readouterr().out
    assert "expected runs of --sabotage slower-build that can be tested, got none" in out
    assert "slower are found" not in out


def test_what_could_not_be_tested_is_no_run_that_was_not_told_slower() -> None:
    """Runs without a control are left out of the count, of the nights and of the slower builds."""
    dice = Random(3)
    some = [noisy(dice, night) | ({"control": {}} if night < 4 else {}) for night in range(24)]
    made = alarms([reading_of(each) for each in some], [reading_of(some[0] | SLOW)], 3, dice)
    assert (made.untested, made.each.of, made.found_runs.of) == (4, 20, 0)
    # of each order, all but the first six nights, without the four, wherever these are
    assert made.nights.of < 3 * 18
    assert "count nowhere: 4" in trend_alarms.described(made, [])
    none = alarms([reading_of(each | {"control": {}}) for each in some], [], 1, dice)
    assert "expected equal runs that can be tested, got none" in trend_alarms.verdict(none)


def test_a_test_that_cries_wolf_is_told() -> None:
    """A seventh of the nights is far slower than the others, of equal code: more alarms than it says, and told."""
    dice = Random(1)
    odd = [reading_of(noisy(dice, night, slower=1.0 if night % 7 else 3.0)) for night in range(35)]
    loud = alarms(odd, [], 2, dice, Rule(last=40))
    assert (loud.each.count, loud.too_loud) == (5, True)
    calm = alarms([reading_of(noisy(dice, night)) for night in range(24)], [], 2, dice, Rule(last=40))
    assert not calm.too_loud
    assert "MISSED: more than 5%" in trend_alarms.described(loud, odd)


def test_a_build_that_was_not_found_is_told(tmp_path: Path) -> None:
    """A 'slower' build that is as fast as the others is not found, whatever the made-up ones say."""
    history = filled(tmp_path, 12)
    history.add(noisy(Random(6), 12) | SLOW)
    assert bench(history) == 99


@pytest.mark.parametrize("nights", [0, 9])
def test_too_few_runs_measure_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], nights: int) -> None:
    """1, and how many were expected."""
    assert bench(filled(tmp_path, nights)) == 1
    assert f"expected at least 10 runs that are alike in {tmp_path}, got {nights}" in capsys.readouterr().err


def test_other_runs_are_not_counted(tmp_path: Path) -> None:
    """Those of another load, and those broken in another way than by being slower."""
    history = filled(tmp_path, 10)
    history.add(report(20, settings=SLOW["settings"] | {"sabotage": "slow-plugin"}))
    history.add(report(21, settings={"scenario": {"name": "smoke", "rate": 40.0}}))
    history.add(noisy(Random(3), 22))
    equal, slowed = trend_alarms.kept(history, None, None)
    assert (len(equal), slowed) == (11, [])


def test_runs_that_are_not_of_one_clean_commit_are_told() -> None:
    """Then they are not of equal code, and an alarm may be right."""
    clean = [reading_of(report(night)) for night in range(2)]
    assert trend_alarms.origin(clean) == "1 commit"
    other = trend_alarms.origin([*clean, reading_of(report(2, commit="b"))])
    assert other.startswith("2 commits (NOT one clean commit")
    changed = trend_alarms.origin([*clean, reading_of(report(2, dirty=True))])
    assert changed.startswith("1 commit, 1 run with changes (NOT one clean commit")


def test_a_share_and_the_swing_of_a_figure() -> None:
    """Nothing counted is no share; a figure that never changes swings by nothing."""
    assert Share.counted(0, 0).share is None
    assert Share.counted(1, 4).share == 0.25
    assert set(spreads([reading_of(report(night)) for night in range(3)]).values()) == {0.0}
