"""Calls whose run was killed before it told its end, as the drain counts them; and faults that are over at once."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from loadtests.evidence import Backlog, Call, Run
from loadtests.playing.timeline import Begin, End, timeline
from loadtests.playing.unfinished import FEW, Unfinished, with_calls
from loadtests.scenarios.scenario import Fault, FaultKind, Phase, PhaseKind

if TYPE_CHECKING:
    from pathlib import Path


def _unfinished(folder: Path, calls: int, states: dict[str, str]) -> Unfinished:
    lines = "".join(f"sent call-{place} b 1.0 1.0 10 10 0\n" for place in range(calls))
    (folder / "sent").write_text(lines)
    (folder / "stamps").write_text("ended call-0 - 1.0 2.0 SUCCESS 0.1\n")
    return Unfinished(folder / "sent", folder / "stamps", lambda call: states.get(call, "PENDING"))


def test_a_call_that_the_result_backend_has_the_end_of_is_not_waited_for(tmp_path: Path) -> None:
    """Its run will never tell; one that is pending there may still."""
    unfinished = _unfinished(tmp_path, 4, {"call-1": "SUCCESS", "call-2": "FAILURE"})
    assert unfinished.count() == 1
    assert unfinished.results == {"call-1": "SUCCESS", "call-2": "FAILURE"}


def test_while_many_are_under_way_nobody_is_asked(tmp_path: Path) -> None:
    """The front answers for a few, not for a storm."""
    unfinished = _unfinished(tmp_path, FEW + 2, {"call-1": "SUCCESS"})
    assert unfinished.count() == FEW + 1
    assert unfinished.results == {}


def test_the_backlog_knows_those_that_ended_without_a_word() -> None:
    """At the end no call is under way of which the result is known."""
    calls = [Call("a", "b", 1.0, 1.0, 0.1)]
    runs = [Run("a", "-", 1.0, 1.5, None, None)]
    backlog = [Backlog(9.0, None, 0, {}, {})]
    assert with_calls(backlog, calls, runs)[0].calls == 1
    assert with_calls(backlog, calls, runs, {"a": "SUCCESS"})[0].calls == 0


def test_a_fault_that_is_over_at_once_begins_before_it_ends() -> None:
    """A kill lasts no time; whoever ended it first would hold it until the phase is over."""
    kill, outage = Fault(FaultKind.CHILD_KILLED, 2.0, 0.0), Fault(FaultKind.PROVIDER_DOWN, 0.0, 2.0)
    phase = Phase("p", PhaseKind.RECOVERY, 5.0, faults=(kill, outage))
    steps = [each for each in timeline(phase, Random(1)) if isinstance(each, Begin | End)]
    assert steps == [Begin(0.0, outage), End(2.0, outage), Begin(2.0, kill), End(2.0, kill)]
