"""A call's durations come from three stamps, and only calls that say something of the plugin are measured."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.timings import StampError, first_runs, measured, paired
from loadtests.turns import Arm, Turn

TURNS = [Turn("1-on", Arm.ON, 3.0), Turn("2-off", Arm.OFF, 3.0)]


def call(name: str, sent: float, block: str = "1-on") -> dict[str, Any]:
    """Make a call as the front lists it."""
    return {"id": name, "sent": sent, "block": block, "generated_tokens": 100}


def test_a_run_is_timed_from_three_moments() -> None:
    """End to end begins at the front, the worker's part at its receipt; the model's own time can be left out."""
    (run,) = first_runs([call("a", 10.0)], ["received a 10.5", "ended a 11.0 SUCCESS"], 0.002)
    assert run.succeeded
    assert run.end_to_end == pytest.approx(1.0)
    assert run.worker == pytest.approx(0.5)
    assert run.beside_model == pytest.approx(0.3)


def test_the_first_run_of_a_call_counts() -> None:
    """A call that failed and was redriven failed: its later run is recovery, not overhead."""
    stamps = ["received a 1", "ended a 2 FAILURE", "received a 8", "ended a 9 SUCCESS"]
    (run,) = first_runs([call("a", 0.5)], stamps, 0)
    assert (run.received, run.ended, run.state) == (1.0, 2.0, "FAILURE")
    assert not run.succeeded


def test_a_call_without_an_end_is_unfinished() -> None:
    """A call that no worker has ended has no duration, and asking for one is an error."""
    (run,) = first_runs([call("a", 0.5)], ["received a 1"], 0)
    assert run.state is None
    with pytest.raises(ValueError, match="has ended"):
        _ = run.worker


@pytest.mark.parametrize("line", ["", "received a", "ended a 1", "ended a 1 SUCCESS more", "begun a 1"])
def test_what_is_no_stamp_is_refused(line: str) -> None:
    """A line that cannot be read is an error, never a call less."""
    with pytest.raises(StampError, match="expected 'received ID SECONDS'"):
        first_runs([], [line], 0)


def test_a_turn_s_sample_is_what_was_sent_once_it_had_settled() -> None:
    """Measured are successes of each turn; a turn's first moments, warm-up and outage are left out."""
    calls = [call("early", 100.0), call("late", 101.0), call("bad", 102.0), call("first", 103.0, "2-off")]
    calls += [call("other", 104.0, "2-off"), call("outside", 105.0, "outage")]
    stamps = [f"received {each['id']} {each['sent']}" for each in calls]
    stamps += [f"ended {each['id']} {each['sent'] + 0.25} SUCCESS" for each in calls if each["id"] != "bad"]
    stamps.append("ended bad 102.1 FAILURE")
    taken = measured(first_runs(calls, stamps, 0), TURNS)
    assert {block: [run.sent for run in runs] for block, runs in taken.items()} == {"1-on": [101.0], "2-off": [104.0]}
    assert paired(taken, TURNS, "worker") == [([0.25], [0.25])]


def test_a_pair_names_the_plugin_s_turn_first() -> None:
    """In whichever order the arms had their turns, a pair is (on, off)."""
    calls = [
        call(name, at, block)
        for name, at, block in [("a", 1, "1-on"), ("b", 2, "1-on"), ("c", 5, "2-off"), ("d", 6, "2-off")]
    ]
    stamps = [f"received {each['id']} {each['sent']}" for each in calls]
    stamps += [f"ended {each['id']} {each['sent'] + each['sent']} SUCCESS" for each in calls]
    taken = measured(first_runs(calls, stamps, 0), TURNS)
    assert paired(taken, TURNS[::-1], "end_to_end") == paired(taken, TURNS, "end_to_end") == [([2.0], [6.0])]
