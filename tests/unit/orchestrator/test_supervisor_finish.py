"""A loop that is told to stop finishes what it may, for a while, and under its lead."""

from __future__ import annotations

from threading import Event

from orchestrator.bootstrap.supervisor import Finish, Loop


def stopped() -> Event:
    """Give an event that is set."""
    stop = Event()
    stop.set()
    return stop


def finished(loop: Loop, said: list[bool]) -> int:
    """Run a loop that is told to stop; count how often it was asked to finish."""
    before = len(said)
    loop.run(stopped())
    return before - len(said)


def test_it_goes_on_while_there_is_more() -> None:
    """The step is repeated until it says that nothing is left that may go."""
    said = [False, True, True]
    assert finished(Loop("part", lambda: 0.0, finish=Finish(said.pop, 60.0)), said) == 3


def test_it_ends_when_its_time_is_over() -> None:
    """However much is left, no step begins after its time; with none, no step at all."""
    said = [True] * 10
    assert finished(Loop("part", lambda: 0.0, finish=Finish(said.pop, 0.0)), said) == 0
