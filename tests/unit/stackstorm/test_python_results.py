"""What a Python action gives, prints and raises, and what a StackStorm makes of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.stackstorm.embedded.runners.running import Runners
from tests.unit.stackstorm.acting import Acting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.stackstorm.embedded.runners.ended import Ended

    Run = Callable[..., Ended]

ACTION = """
import dataclasses, datetime, os, sys, uuid
from st2common.runners.base_action import Action


class Odd:
    def __repr__(self):
        return "<odd>"


@dataclasses.dataclass
class Point:
    x: int


class Probe(Action):
    def run(self, mode, given=None):
        return getattr(self, mode)(given)

    def prints(self, given):
        print("to stdout")
        self.logger.debug("hidden at INFO", extra={"name": "mine"})
        self.logger.info("to the log")
        self.logger.audit("to the auditor")

    def pair(self, given):
        return (given[0], {"data": 1})

    def triple(self, given):
        return (1, 2, 3)

    def odd(self, given):
        values = {"alone": Odd(), "succeeded": (True, Odd()), "none": (None, Odd()), "keys": {1: 2}, "set": (True, {1})}
        return values[given]

    def typed(self, given):
        return [datetime.datetime(2020, 1, 2, 3, 4, 5), uuid.UUID(int=1), Point(3), float("nan"), 2**63]

    def fails(self, given):
        raise ValueError("what is wrong")

    def exit(self, given):
        sys.exit(given)

    def hard_exit(self, given):
        print("before")
        os._exit(given)
"""
PROBE: dict[str, Any] = {"mode": {"type": "string"}, "given": {}}


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """A pack with the probe, which every test of this module shares."""
    runners = Runners("http://127.0.0.1:9/v1")
    found = Acting(runners, tmp_path_factory.mktemp("pack"))
    found.file("actions/probe.py", ACTION)
    yield found
    runners.close()


@pytest.fixture
def run(acting: Acting) -> Run:
    """Run the probe in a mode."""
    probe = acting.action("python-script", "probe.py", **PROBE)
    return lambda mode, given=None, **more: acting.run(probe, mode=mode, given=given, **more)


def test_prints_and_log_lines_are_kept_apart(run: Run) -> None:
    """What is printed goes to stdout, the logger to stderr in StackStorm's format and level; None is a result."""
    result = run("prints", log_level="INFO").result
    assert result["stdout"] == "to stdout\n"
    lines = ["st2.actions.python.Probe: INFO     to the log", "st2.actions.python.Probe: AUDIT    to the auditor"]
    assert result["stderr"].splitlines() == lines
    assert result["result"] is None


@pytest.mark.parametrize(("status", "expected"), [(True, "succeeded"), (False, "failed"), (None, "succeeded")])
def test_a_pair_tells_success_from_failure(run: Run, status: bool | None, expected: str) -> None:
    """(True, data) succeeds and (False, data) fails, both with exit code 0 and the data; None says nothing."""
    ended = run("pair", [status])
    assert (ended.status, ended.result["exit_code"], ended.result["result"]) == (expected, 0, {"data": 1})


def test_a_pair_without_a_status_fails_with_an_explanation(run: Run) -> None:
    """Any other tuple of two is an error that says what to return; one of three is a list."""
    ended = run("pair", ["fine"])
    assert ended.status == "failed"
    assert "must either be True or False, got: fine" in ended.result["error"]
    assert run("triple").result["result"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("succeeded", "<odd>"),
        ("alone", "<odd>, 'status': None}"),
        ("none", "<odd>, 'status': None}"),
        ("keys", "{1: 2}, 'status': None}"),
        ("set", "{1}"),
    ],
)
def test_what_json_cannot_hold_becomes_text(run: Run, value: str, expected: str) -> None:
    """With a status the value's text; without one the rest of the whole answer's text, as StackStorm cuts it."""
    ended = run("odd", value)
    assert (ended.status, ended.result["result"]) == ("succeeded", expected)


def test_times_identifiers_and_dataclasses_are_json(run: Run) -> None:
    """StackStorm's encoder takes them; what is not a number becomes null."""
    expected = ["2020-01-02T03:04:05", "00000000-0000-0000-0000-000000000001", {"x": 3}, None, 2**63]
    assert run("typed").result["result"] == expected


def test_an_exception_fails_with_its_traceback(run: Run) -> None:
    """Exit code 1, the traceback in stderr, and the string None as the result."""
    result = run("fails").result
    assert (result["exit_code"], result["result"]) == (1, "None")
    assert result["stderr"].endswith("ValueError: what is wrong\n")


@pytest.mark.parametrize(("code", "exit_code"), [(3, 3), (0, 0), (None, 0), ("words", 1), (-1, 255)])
def test_system_exit_sets_the_exit_code(run: Run, code: object, exit_code: int) -> None:
    """sys.exit(n) ends with n; a text ends with 1 and goes to stderr; the result is the string None."""
    ended = run("exit", code)
    assert (ended.result["exit_code"], ended.result["result"]) == (exit_code, "None")
    assert ended.status == ("succeeded" if exit_code == 0 else "failed")
    assert ("words" in ended.result["stderr"]) == (code == "words")


def test_an_action_that_leaves_at_once_keeps_what_it_printed(run: Run) -> None:
    """os._exit() flushes nothing, and yet the output is there: it is not buffered."""
    ended = run("hard_exit", 4)
    assert (ended.status, ended.result["exit_code"], ended.result["stdout"]) == ("failed", 4, "before\n")


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason=f"no /proc on {sys.platform} ({os.name})")
