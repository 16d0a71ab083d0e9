"""The command ends as its run did: with the verdict's exit code, or by saying why there is none."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from loadtests.history.store import History
from loadtests.playing import command, signals
from loadtests.playing.options import Wanted
from loadtests.stamps import StampError
from loadtests.verdict.judging import Outcome, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN_ID = "20261129T101500Z-smoke-3fa9c1"


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Put the handlers back that the command sets."""
    before = {each: signal.getsignal(each) for each in signals.ASKING}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def _raising(error: BaseException) -> Callable[..., None]:
    def raising(*_: object, **__: object) -> None:
        raise error

    return raising


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("nobody there"),
        OSError("disk full"),
        StampError("half a line"),
        psutil.NoSuchProcess(7, msg="no such process"),
    ],
)
def test_a_run_that_could_not_measure_leaves_a_report_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, error: Exception
) -> None:
    """It is 1, every gate is '?', and the report, JUnit and the history hold why."""
    monkeypatch.setenv(command.RUN_ID, RUN_ID)
    monkeypatch.setattr(command, "_played", _raising(error))
    assert command.run(Wanted("smoke", out=tmp_path)) == 1
    told = capsys.readouterr()
    assert told.err.strip() == f"could not measure: {error}"
    assert str(error) in told.out
    folder = tmp_path / "runs" / RUN_ID
    report = json.loads((folder / "report.json").read_text())
    assert report["verdict"]["outcome"] == "not_measured"
    assert {each["met"] for each in report["verdict"]["gates"]} == {None}
    assert report["problems"] == [str(error)]
    assert str(error) in (folder / "junit.xml").read_text()
    (kept,) = History(tmp_path / "history").runs("smoke", "embedded")
    assert kept["run_id"] == RUN_ID
    assert report["trend"]["why_not"]


def test_a_run_that_is_interrupted_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Ctrl-C makes it 130, and nothing looks like a report."""
    monkeypatch.setattr(command, "_played", _raising(KeyboardInterrupt()))
    assert command.run(Wanted("smoke", out=tmp_path)) == 130
    assert capsys.readouterr() == ("", "")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Half an hour later it would be too late."""
    monkeypatch.setattr(command, "_played", lambda *_: pytest.fail("it was played"))
    (tmp_path / "file").touch()
    assert command.run(Wanted("smoke", out=tmp_path / "file")) == 1
    assert "expected a folder that reports can be written to" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "given"), [(0, 1), (99, 99)])
def test_a_report_that_cannot_be_written_is_printed_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, code: int, given: int
) -> None:
    """What was measured is not lost; a run that passed has not passed without its report."""
    monkeypatch.setattr(command, "_whole", lambda *_: {"verdict": {"exit_code": code}})
    monkeypatch.setattr(command.writing, "write", _raising(OSError("disk full")))
    assert command.run(Wanted("smoke", out=tmp_path, json=True)) == given
    told = capsys.readouterr()
    assert json.loads(told.out) == {"verdict": {"exit_code": code}}
    assert told.err.strip() == "could not write: disk full"


@pytest.mark.parametrize("keep", [True, False])
def test_logs_of_a_run_that_failed_are_where_it_says(tmp_path: Path, keep: bool) -> None:
    """The folder it worked in is gone by then; without `--keep` nothing else of it stays."""
    with pytest.raises(command.CouldNotMeasure) as raised:
        _fail_in(tmp_path, keep=keep)
    log = Path(str(raised.value).removeprefix("see "))
    assert log.read_text() == "x"
    assert log.parent.parent == tmp_path
    assert log.with_name("bus.sqlite").exists() == keep


def _fail_in(folder: Path, *, keep: bool) -> None:
    with command._work(folder, keep=keep) as work:
        for name in ("front.log", "bus.sqlite"):
            (work / name).write_text("x")
        raise OSError(f"see {work / 'front.log'}")


@pytest.mark.parametrize("code", [0, 1, 99])
def test_the_verdict_s_exit_code_is_the_command_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, code: int
) -> None:
    """The report is printed as data where data is wanted, from the folder that bears the run's id."""
    folders: list[Path] = []
    monkeypatch.setenv(command.RUN_ID, RUN_ID)
    monkeypatch.setattr(command, "_played", lambda *given: folders.append(given[-1]) or (None, None))
    monkeypatch.setattr(command, "_reported", lambda *_: {"verdict": {"exit_code": code}})
    monkeypatch.setattr(command, "_kept", lambda *_: None)
    assert command.run(Wanted("smoke", out=tmp_path, json=True)) == code
    assert json.loads(capsys.readouterr().out)["verdict"]["exit_code"] == code
    assert folders == [tmp_path / "runs" / RUN_ID]


@pytest.mark.parametrize(
    ("wanted", "run_id"), [(Wanted("breakfast"), RUN_ID), (Wanted("smoke"), "../elsewhere"), (Wanted("smoke"), "x")]
)
def test_what_cannot_be_read_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wanted: Wanted, run_id: str
) -> None:
    """An unknown scenario and a run's id that is none exit with 2 before anything is started."""
    monkeypatch.setenv(command.RUN_ID, run_id)
    monkeypatch.setattr(command, "_played", lambda *_: pytest.fail("it was played"))
    assert command.run(wanted) == 2
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize("number", signals.ASKING)
def test_who_asks_twice_does_not_cut_the_cleaning_short(number: signal.Signals) -> None:
    """The first signal leaves by way of all that stops; none after it is heard."""
    signals.listen()
    ends = KeyboardInterrupt if number is signal.SIGINT else SystemExit
    with pytest.raises(ends) as raised:
        signal.raise_signal(number)
    assert raised.value.args == (() if number is signal.SIGINT else (128 + number,))
    for each in signals.ASKING:
        signal.raise_signal(each)


def test_a_shorter_run_is_asked_what_its_file_asks() -> None:
    """A fault that does not fit is not played, and its gates are asked all the same: nobody can tell."""
    scenario, asked, whole = command._read(Wanted("smoke", seconds=65, rate=7))
    assert not any(phase.faults for phase in scenario.phases)
    assert scenario.rate == 7
    wanted = {gate.figure for gate in asked if gate.asks(whole)}
    assert "first_retry_success" in wanted - {gate.figure for gate in asked if gate.asks(scenario)}
    assert judge([], asked, whole).outcome is Outcome.NOT_MEASURED


def test_gates_that_are_not_there_are_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are looked for beside the scenario's file, and named."""
    file = tmp_path / "mine.toml"
    text = 'about = "x"\nengines = "embedded"\nseed = 1\nrate = 5\ngates = "nowhere.toml"\n'
    file.write_text(text + '[[phases]]\nname = "a"\nkind = "load"\nseconds = 3\n')
    assert command.run(Wanted(str(file))) == 2
    assert str(tmp_path / "nowhere.toml") in capsys.readouterr().err
