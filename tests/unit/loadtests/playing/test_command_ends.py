"""The command ends as its run did: with the verdict's exit code, or by saying why there is none."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
import requests

from loadtests.playing import command
from loadtests.playing.options import Wanted
from loadtests.stamps import StampError
from loadtests.verdict.judging import Outcome, judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN_ID = "20261129T101500Z-smoke-3fa9c1"


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Put the handler back that the command sets."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (requests.ConnectionError("nobody there"), 1, "could not measure: nobody there"),
        (OSError("disk full"), 1, "could not measure: disk full"),
        (StampError("half a line"), 1, "could not measure: half a line"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_run_that_is_none_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    """What does not answer makes it 1, Ctrl-C makes it 130, and nothing looks like a report."""

    def played(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "_played", played)
    assert command.run(Wanted("smoke")) == code
    told = capsys.readouterr()
    assert (told.out, told.err.strip()) == ("", said)


@pytest.mark.parametrize("code", [0, 1, 99])
def test_the_verdict_s_exit_code_is_the_command_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, code: int
) -> None:
    """The report is printed as data where data is wanted, from the folder that bears the run's id."""
    folders: list[Path] = []
    monkeypatch.setenv(command.RUN_ID, RUN_ID)
    monkeypatch.setattr(command, "_played", lambda *given: folders.append(given[-1]) or (None, None))
    monkeypatch.setattr(command, "_reported", lambda *_: {"verdict": {"exit_code": code}})
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


def test_who_asks_twice_does_not_cut_the_cleaning_short() -> None:
    """The first SIGTERM leaves by way of all that stops; the second one is not heard."""
    with pytest.raises(SystemExit, match="143"):
        command._end()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


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
