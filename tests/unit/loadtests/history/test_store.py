"""The history keeps each run as a file, finds it again, and tells a file that is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.history.store import History, HistoryInvalid, read
from tests.loadtest_reports import MACHINE, report

if TYPE_CHECKING:
    from pathlib import Path


def kept(folder: Path, nights: int = 3) -> History:
    """Make a history of some nights, added in another order than they were."""
    history = History(folder / "history")
    for night in reversed(range(nights)):
        history.add(report(night))
    return history


def test_a_run_is_one_file_without_its_series(tmp_path: Path) -> None:
    """All but the series comes back; the same run again is still one file, and no draft stays."""
    history = kept(tmp_path, 1)
    place = history.add(report(0, seconds=131.0))
    assert [each.name for each in history.folder.iterdir()] == [place.name] == ["20261101T023000Z-smoke-000000.json"]
    assert read(place) == {name: value for name, value in report(0, seconds=131.0).items() if name != "series"}


def test_runs_come_oldest_first_and_are_chosen(tmp_path: Path) -> None:
    """By scenario, engines, kind of machine, and the last of them; none of a folder that is not there."""
    history = kept(tmp_path)
    history.add(report(7, engines="real"))
    history.add(report(8, machine=MACHINE | {"kind": "another"}))
    history.add(report(9, scenario="nightly"))
    assert [each["started_at"][8:10] for each in history.runs()] == ["01", "02", "03", "08", "09", "10"]
    assert [each["started_at"][8:10] for each in history.runs("smoke", "embedded", str(MACHINE["kind"]), 2)] == [
        "02",
        "03",
    ]
    assert history.runs(last=0) == []
    assert History(tmp_path / "none").runs() == []


def test_one_run_is_found(tmp_path: Path) -> None:
    """By id, by its beginning, by 'last', and by the path of a report that is not in the history."""
    history = kept(tmp_path)
    (tmp_path / "report.json").write_text(json.dumps(report(5)))
    wanted = {"20261102T023000Z-smoke-000001": 1, "20261102": 1, "last": 2, str(tmp_path / "report.json"): 5}
    assert {name: history.one(name)["run_id"] for name in wanted} == {
        name: report(night)["run_id"] for name, night in wanted.items()
    }


@pytest.mark.parametrize("name", ["2026", "1999", "last", "../report"])
def test_none_or_several_are_told(tmp_path: Path, name: str) -> None:
    """The error says how many begin so, and what to give."""
    history = kept(tmp_path, 0 if name == "last" else 3)
    with pytest.raises(HistoryInvalid, match=r"expected one run.*give a run's whole id"):
        history.one(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": 2}',
        "{}",
        json.dumps(report() | {"machine": {}}),
        json.dumps(report() | {"run_id": "../x"}),
    ],
)
def test_a_file_that_is_no_run_is_told(tmp_path: Path, text: str) -> None:
    """Never skipped: a night would be missing, and nobody would know."""
    history = kept(tmp_path)
    (history.folder / "broken.json").write_text(text)
    with pytest.raises(HistoryInvalid, match=r"expected .*broken\.json.*move the file away"):
        history.runs()


@pytest.mark.parametrize("change", [{"run_id": "../../x"}, {"schema": 9}, {"machine": {}}])
def test_what_is_no_run_is_not_kept(tmp_path: Path, change: dict[str, Any]) -> None:
    """Neither a path in the place of an id, nor a report of another shape."""
    with pytest.raises(HistoryInvalid, match="expected"):
        History(tmp_path / "history").add(report(0, **change))
    assert not (tmp_path / "history").exists()
