"""How the calls of Locust's users end, by the workers' stamps."""

from __future__ import annotations

import pytest

from loadtests import ends
from loadtests.ends import FIRST, MALFORMED, RECOVERED, Ends
from loadtests.evidence import Answered
from loadtests.stamps import StampError


def ended(call: str, at: float, state: str = "SUCCESS", attempt: str = "-") -> str:
    """Make a worker's line."""
    return f"ended {call} {attempt} 1.0 {at} {state} 0.1"


def test_a_call_that_succeeds_at_once_is_timed_from_its_intended_start() -> None:
    """It is told once, and then forgotten."""
    calls = Ends()
    calls.expect("a", 10.0)
    assert calls.read("began a - 1.0 10.5 7") is None
    assert calls.read(ended("a", 12.5)) == Answered(10.0, FIRST, 2.5, well=True)
    assert calls.read(ended("a", 13.0)) is None
    assert len(calls) == 0


def test_a_call_that_fails_at_first_is_told_twice() -> None:
    """Its failure when that comes, its recovery when that comes; redrives that fail in between are not told."""
    calls = Ends()
    calls.expect("a", 10.0)
    assert calls.read(ended("a", 11.0, "FAILURE")) == Answered(10.0, FIRST, 1.0, well=False)
    assert calls.read(ended("a", 12.0, "FAILURE", "x-1")) is None
    assert calls.read(ended("a", 20.0, "SUCCESS", "x-2")) == Answered(10.0, RECOVERED, 10.0, well=True)
    assert len(calls) == 0


def test_a_call_whose_first_run_was_killed_is_recovered() -> None:
    """No line tells of a killed run; the redrive's success is a recovery."""
    calls = Ends()
    calls.expect("a", 10.0)
    assert calls.read(ended("a", 15.0, "SUCCESS", "x-1")) == Answered(10.0, RECOVERED, 5.0, well=True)


@pytest.mark.parametrize(("state", "well"), [("FAILURE", True), ("SUCCESS", False)])
def test_a_malformed_call_ends_well_by_failing(state: str, *, well: bool) -> None:
    """One that succeeds was not what it was meant to be."""
    calls = Ends()
    calls.expect("a", 10.0, malformed=True)
    assert calls.read(ended("a", 11.0, state)) == Answered(10.0, MALFORMED, 1.0, well=well)
    assert not calls.has("a")


def test_the_calls_of_others_are_none_of_ours() -> None:
    """A file is shared by all workers; what nobody took is waited for no longer."""
    calls = Ends()
    calls.expect("a", 10.0)
    calls.forget("a")
    assert calls.read(ended("a", 11.0)) is None
    assert calls.read(ended("b", 11.0)) is None


def test_calls_that_never_end_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr(ends, "MOST_OPEN", 2)
    calls = Ends()
    for name in ("a", "b", "c"):
        calls.expect(name, 1.0)
    assert [calls.has(name) for name in ("a", "b", "c")] == [False, True, True]


@pytest.mark.parametrize("line", ["ended a - 1.0 SUCCESS", "ended a - 1.0 soon SUCCESS 0.1"])
def test_an_end_that_cannot_be_read_is_an_error(line: str) -> None:
    """It is not taken for somebody else's."""
    with pytest.raises(StampError, match="expected 'ended"):
        Ends().read(line)
