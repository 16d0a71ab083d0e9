"""`python -m loadtests` finds its benchmarks without importing them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtests.__main__ import benchmarks, main
from loadtests.playing.options import Wanted
from loadtests.scenarios.scenario import Engines

BENCH = Path(__file__).parents[3] / "loadtests" / "bench"


def test_every_file_of_the_folder_is_a_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name the benchmarks are listed: one for each file, dashes for underscores."""
    assert main(["bench"]) == 0
    names = {path.stem.replace("_", "-") for path in BENCH.glob("*.py")} - {"--init--"}
    assert set(capsys.readouterr().out.split()) == names


def test_an_unknown_benchmark_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none exits with 2 and says so."""
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "lunch"])
    assert "lunch" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_benchmark_s_exit_code_is_the_command_s(monkeypatch: pytest.MonkeyPatch, flags: list[str]) -> None:
    """The benchmark is told whether data is wanted, and its 99 arrives."""
    told: list[bool] = []
    fake = SimpleNamespace(main=lambda json: told.append(json) or 99)
    monkeypatch.setitem(sys.modules, "loadtests.bench.lunch", fake)
    monkeypatch.setattr("loadtests.__main__.benchmarks", lambda: {"lunch": "loadtests.bench.lunch"})
    assert main(["bench", "lunch", *flags]) == 99
    assert told == [bool(flags)]


def test_listing_imports_none_of_them() -> None:
    """The list is read from the folder: no benchmark is imported for it."""
    before = {name for name in sys.modules if name.startswith("loadtests.bench.")}
    benchmarks()
    assert {name for name in sys.modules if name.startswith("loadtests.bench.")} == before


@pytest.mark.parametrize(
    "wrong", [["--seconds", "0"], ["--seconds", "nan"], ["--seed", "-1"], ["--engines", "steam"], ["--sabotage", "tea"]]
)
def test_a_run_of_nothing_is_a_usage_error(wrong: list[str]) -> None:
    """What a run cannot be asked for exits with 2 before anything is started."""
    with pytest.raises(SystemExit, match="2"):
        main(["smoke", *wrong])


@pytest.mark.parametrize("verb", [["play"], []])
def test_a_scenario_stands_alone(monkeypatch: pytest.MonkeyPatch, verb: list[str]) -> None:
    """A scenario in the place of the verb is played, with the options that were given, and its exit code arrives."""
    told: list[Wanted] = []
    monkeypatch.setitem(
        sys.modules, "loadtests.playing.command", SimpleNamespace(run=lambda given: told.append(given) or 99)
    )
    asked = ["mine.toml", "--seed", "3", "--engines", "real", "--sabotage", "slow-plugin", "--keep"]
    assert main([*verb, *asked]) == 99
    assert told == [Wanted("mine.toml", Engines.REAL, seed=3, sabotage="slow-plugin", keep=True)]


def test_a_benchmark_s_own_options_reach_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a benchmark describes is read from the same line; what nobody knows is a usage error."""
    told: list[tuple[bool, int]] = []
    fake = SimpleNamespace(
        options=lambda own: own.add_argument("--guests", type=int),
        main=lambda json, given: told.append((json, given.guests)) or 0,
    )
    monkeypatch.setitem(sys.modules, "loadtests.bench.lunch", fake)
    monkeypatch.setattr("loadtests.__main__.benchmarks", lambda: {"lunch": "loadtests.bench.lunch"})
    assert main(["bench", "lunch", "--guests", "3", "--json"]) == 0
    assert told == [(True, 3)]
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "lunch", "--wine"])
    assert "--wine" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["smoke", "--guests", "3"])
