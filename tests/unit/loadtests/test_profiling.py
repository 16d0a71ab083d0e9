"""Flame graphs: why there is none is said, and what a graph shows can be told without looking at it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from loadtests import profiling
from loadtests.profiling import Profile, hottest, why_not

if TYPE_CHECKING:
    from pathlib import Path

# As py-spy draws it: 100 samples, 70 of them in `a`, of which 50 in `b`; 30 in `b` alone.
FRAMES = [("all", 52, 0, 100), ("a (x.py:1)", 68, 0, 70), ("b (x.py:9)", 68, 70, 30), ("b (x.py:9)", 84, 10, 50)]


def graph(folder: Path) -> Path:
    """Write a graph in the form of py-spy's."""
    told = "".join(
        f'<g><title>{name} ({wide} samples, {wide}.00%)</title><rect x="{x}%" y="{y}" width="{wide}%" height="15" '
        f'fill="rgb(1,2,3)" fg:x="{x}" fg:w="{wide}"/><text></text></g>'
        for name, y, x, wide in FRAMES
    )
    path = folder / "graph.svg"
    path.write_text(f"<svg>{told}</svg>")
    return path


def stand_in(folder: Path, script: str) -> str:
    """Write a program in the place of py-spy."""
    path = folder / "py-spy"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_hottest_functions_are_those_where_samples_end(tmp_path: Path) -> None:
    """What a caller waits for is not its own; a function's places are summed."""
    assert hottest(graph(tmp_path)) == [("b (x.py:9)", 0.8), ("a (x.py:1)", 0.2)]


def test_a_graph_without_frames_has_no_hottest(tmp_path: Path) -> None:
    """An empty file is no error."""
    (tmp_path / "empty.svg").write_text("<svg></svg>")
    assert hottest(tmp_path / "empty.svg") == []


@pytest.mark.parametrize(
    "said",
    [
        "Permission Denied: Try running again with elevated permissions",
        "Error: Operation not permitted (os error 1)",
        "Error: No python processes found in process 7 or any of its subprocesses\n\nStack backtrace:\n 0: x",
    ],
)
def test_a_refusal_names_the_right_that_is_missing(said: str, tmp_path: Path) -> None:
    """With what the system says of it, and what to do."""
    scope = tmp_path / "ptrace_scope"
    scope.write_text("2\n")
    told = why_not(said, scope)
    assert "SYS_PTRACE" in told
    assert "ptrace_scope is 2" in told
    assert why_not(said, scope, alive=False) == "there was no such process any more"


def test_another_error_is_repeated_without_its_backtrace() -> None:
    """In one line."""
    assert why_not("Error: disk\nfull\n\nStack backtrace:\n 0: x") == "Error: disk full"
    assert why_not("") == "py-spy said nothing"


def test_a_refused_profile_is_a_problem_and_no_error(tmp_path: Path) -> None:
    """The block goes on without it; neither an empty graph nor a log is left behind."""
    spy = stand_in(tmp_path, "echo 'Permission Denied: Try running again'; exit 1")
    with Profile(tmp_path / "profile", {"orchestrator": os.getpid()}, command=spy) as profile:
        assert profile.problems == []
        profile._spies[0].popen.wait(10)
    [problem] = profile.problems
    assert problem.startswith("expected a flame graph of orchestrator")
    assert "SYS_PTRACE" in problem
    assert list((tmp_path / "profile").iterdir()) == []


def test_a_graph_that_ends_early_says_so(tmp_path: Path) -> None:
    """A worker that a fault killed takes its profile with it: the graph is kept, and nobody takes it for the whole."""
    spy = stand_in(tmp_path, 'while [ "$1" != --output ]; do shift; done; echo "<svg/>" > "$2"')
    with Profile(tmp_path / "profile", {"worker": os.getpid()}, command=spy) as profile:
        profile._spies[0].popen.wait(10)
    assert [path.name for path in (tmp_path / "profile").iterdir()] == ["worker.svg"]
    assert "ends where its process" in profile.problems[0]
    graphs = {"worker": {"file": "profile/worker.svg", "hottest": []}}
    assert profile.told() == {"graphs": graphs, "problems": profile.problems}


def test_without_py_spy_there_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the extra that brings it."""
    monkeypatch.setattr(profiling, "found", lambda: None)
    with Profile(tmp_path / "profile", {"worker": os.getpid()}) as profile:
        pass
    assert "extra `loadtests`" in profile.problems[0]
