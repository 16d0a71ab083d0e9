"""Waking: a part that rests goes on at once when work is made for it, and stops at once when told to."""

from __future__ import annotations

from threading import Event, Semaphore, Thread
from typing import TYPE_CHECKING

import pytest

from orchestrator.bootstrap.supervisor import Loop, Supervisor
from orchestrator.bootstrap.waking import DECISION_SECONDS, Courtesy, WakingLedger, waking
from orchestrator.domain.commands import Mode
from orchestrator.ledger.sql import SqlLedger
from tests.recovery import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20.0
FOR_EVER = 3600.0


class Steps:
    """A part that rests for ever after each step: only a wake makes it go on."""

    def __init__(self) -> None:
        self.taken = 0
        self.stepped = Semaphore(0)
        self.meanwhile = Event()

    def step(self) -> float:
        """Take one step; work that comes meanwhile comes before it ends."""
        self.taken += 1
        if self.taken == 1:
            self.meanwhile.set()
        self.stepped.release()
        return FOR_EVER

    def wait(self) -> None:
        """Wait for the next step."""
        assert self.stepped.acquire(timeout=PATIENCE)


@pytest.fixture
def steps() -> Steps:
    """The part."""
    return Steps()


@pytest.fixture
def running(steps: Steps) -> Iterator[Loop]:
    """The part in a thread of its own, which ends with the test."""
    loop, stop = Loop("part", steps.step), Event()
    thread = Thread(target=loop.run, args=(stop,))
    thread.start()
    yield loop
    stop.set()
    loop.wake.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_part_that_rests_goes_on_when_it_is_woken(steps: Steps, running: Loop) -> None:
    """Each wake brings one step, however long the rest was to be."""
    for _ in range(3):
        steps.wait()
        running.wake.set()
    steps.wait()
    assert steps.taken == 4


def test_work_that_comes_during_a_step_is_not_slept_over(steps: Steps) -> None:
    """A wake that comes while a step runs brings another step."""
    stop = Event()
    loop = Loop("part", steps.step, wake=steps.meanwhile)
    thread = Thread(target=loop.run, args=(stop,))
    thread.start()
    steps.wait()
    steps.wait()
    stop.set()
    loop.wake.set()
    thread.join(PATIENCE)
    assert steps.taken == 2


def test_a_part_that_rests_stops_at_once() -> None:
    """A supervisor that shuts down waits for no rest."""
    steps = Steps()
    supervisor = Supervisor((Loop("part", steps.step),))
    supervisor.start()
    steps.wait()
    assert supervisor.shut_down() == []


def test_a_commit_wakes_and_neither_a_rollback_nor_a_reading_does() -> None:
    """Whoever waits for what others write is woken once it is there to be read, and only then."""
    woken = Event()
    ledger = WakingLedger(SqlLedger.in_memory(), (woken,))
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        raise ZeroDivisionError
    with ledger.reading() as tx:
        tx.mode()
    assert not woken.is_set()
    with ledger.transaction() as tx:
        tx.set_mode(Mode.ACT, "ann", NOON)
        assert not woken.is_set()
    assert woken.is_set()


def test_a_batch_that_was_taken_in_wakes() -> None:
    """The handler of the bus' batches gives what it gave, and wakes afterwards; a fault wakes nobody."""
    woken = Event()
    assert waking(len, (woken,), Courtesy())([b"1", b"2"]) == 2
    assert woken.is_set()
    woken.clear()
    with pytest.raises(TypeError):
        waking(lambda _: len(3), (woken,), Courtesy())([])
    assert not woken.is_set()


def test_what_can_wait_lets_a_decision_go_first_and_no_longer() -> None:
    """A batch that comes holds up what gives way, for as long as a decision takes; then nothing is waited for."""
    now, slept = [5.0], list[float]()
    courtesy = Courtesy(clock=lambda: now[0], sleep=slept.append)
    courtesy.give()
    assert slept == []
    waking(len, (), courtesy)([b"1"])
    courtesy.give()
    assert slept == [pytest.approx(DECISION_SECONDS)]
    now[0] += DECISION_SECONDS
    courtesy.give()
    assert len(slept) == 1
