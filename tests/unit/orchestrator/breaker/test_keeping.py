"""A circuit stands over a restart, hears an operator within a second, and tells each change once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.breaker import Breaker, KeptBreaker, Policy
from orchestrator.domain.backoff import Backoff
from orchestrator.domain.circuits import CircuitState
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Deferred, Outcome
from orchestrator.eventlog.circuits import MemoryCircuits
from tests.breakers import DOWN, GOOD, WRONG_KEY, never
from tests.events import NOON

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.circuits import CircuitChange, Standing

NAME = "s/priority"
POLICY = Policy(in_a_row=3, opening=Backoff(10.0, 60.0), parking=Backoff(100.0, 400.0))


class Scene:
    """A store, the times, what was told; `start` is a process that starts."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.now = NOON
        self.circuits = CountedCircuits(self.wall)
        self.told: list[CircuitChange] = []
        self.deaf = False
        self.circuit = self.start()

    def wall(self) -> datetime:
        """Give the time of day."""
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.seconds += seconds
        self.now += timedelta(seconds=seconds)

    def start(self) -> KeptBreaker:
        """Start a process."""
        self.breaker = Breaker(NAME, lambda: 0.0, POLICY, clock=lambda: self.seconds)
        self.circuit = KeptBreaker(self.breaker, self.circuits, self.wall, self._tell, lambda: self.seconds)
        return self.circuit

    def answer(self, answer: object, times: int = 1) -> None:
        """Make deliveries that end so."""
        for _ in range(times):
            self.circuit.deliver(lambda: answer)  # type: ignore[arg-type, return-value]  # any delivery

    def row(self) -> Standing:
        """Give the row."""
        row = self.circuits.load(NAME)
        assert row is not None
        return row

    def changes(self) -> list[tuple[str, str]]:
        """Give what was told, briefly."""
        return [(each.before.value, each.now.state.value) for each in self.told]

    def _tell(self, change: CircuitChange) -> None:
        if self.deaf:
            raise DependencyUnreachable("event log", "it is away")
        self.told.append(change)


class CountedCircuits(MemoryCircuits):
    """A store that counts what it is asked, and may be away."""

    reads = writes = 0
    away = False

    def load(self, name: str) -> Standing | None:
        """Read a row."""
        self._asked()
        self.reads += 1
        return super().load(name)

    def save(self, standing: Standing) -> None:
        """Write a row."""
        self._asked()
        self.writes += 1
        super().save(standing)

    def _asked(self) -> None:
        if self.away:
            raise DependencyUnreachable("event log", "it is away")


@pytest.fixture
def scene() -> Scene:
    """Give a circuit that nobody has kept yet."""
    return Scene()


def test_a_circuit_is_kept_from_its_first_delivery_on(scene: Scene) -> None:
    """Each relay's circuit is listed, closed, though nothing ever went wrong; nothing is told of that."""
    scene.answer(GOOD)
    assert scene.row().state is CircuitState.CLOSED
    assert scene.told == []


def test_no_delivery_asks_the_store(scene: Scene) -> None:
    """A thousand batches within a second ask once and write once."""
    scene.answer(GOOD, 1000)
    assert (scene.circuits.reads, scene.circuits.writes) == (1, 1)


def test_an_open_circuit_stays_open_over_a_restart(scene: Scene) -> None:
    """The next process waits as long as was left, calls nothing meanwhile, and its series goes on."""
    scene.answer(DOWN, 3)
    scene.pass_by(4)
    scene.start()
    assert scene.circuit.deliver(never) == Deferred(f"the circuit of {NAME} is open", 6.0, Outcome.NEUTRAL)
    scene.pass_by(6)
    scene.answer(DOWN)
    assert scene.breaker.seconds_left() == 20


def test_a_wait_that_passed_while_nothing_ran_is_over(scene: Scene) -> None:
    """A probe goes at once, and little first."""
    scene.answer(DOWN, 3)
    scene.pass_by(3600)
    scene.start()
    assert scene.circuit.rest() == 0
    assert scene.circuit.allowance() == 1 / 64
    scene.answer(GOOD)
    assert scene.row().state is CircuitState.CLOSED


def test_a_clock_that_went_back_parks_nothing(scene: Scene) -> None:
    """After an hour back the wait is as long as it was at first, not an hour longer; no process waits by that clock."""
    scene.answer(DOWN, 3)
    scene.now -= timedelta(hours=1)
    scene.seconds += 4
    assert scene.breaker.seconds_left() == 6
    scene.start()
    scene.circuit.rest()
    assert scene.breaker.seconds_left() == 10


def test_one_that_was_parked_is_probed_once_after_a_restart(scene: Scene) -> None:
    """Settings change when a process starts; if the key is still wrong the park goes on, longer than before."""
    scene.answer(WRONG_KEY)
    assert scene.breaker.seconds_left() == 100
    scene.start()
    asked = []
    for _ in range(20):
        scene.circuit.deliver(lambda: asked.append(1) or WRONG_KEY)  # type: ignore[func-returns-value]  # append gives None
        scene.pass_by(1)
    assert len(asked) == 1
    assert scene.breaker.seconds_left() == 180


def test_coming_back_is_slow_over_a_restart_too(scene: Scene) -> None:
    """A process that ends while little goes hands that on; once all goes the series is over in the row as well."""
    scene.answer(DOWN, 3)
    scene.pass_by(10)
    scene.answer(GOOD)
    scene.start()
    scene.circuit.rest()
    assert scene.circuit.allowance() == 1 / 64
    scene.answer(GOOD, 6)
    assert (scene.circuit.allowance(), scene.row().trips) == (1.0, 0)


def test_an_operator_is_heard_within_a_second(scene: Scene) -> None:
    """Held open nothing goes; released, a probe goes; held closed, everything."""
    scene.answer(GOOD)
    scene.circuits.force(NAME, CircuitState.OPEN, "ada", "maintenance")
    scene.pass_by(1)
    assert scene.circuit.rest() == 1.0
    assert isinstance(scene.circuit.deliver(never), Deferred)
    scene.circuits.release(NAME)
    scene.pass_by(1)
    assert scene.circuit.rest() == 0
    scene.circuits.force(NAME, CircuitState.CLOSED, "ada", "sure")
    scene.pass_by(1)
    scene.answer(DOWN, 20)
    assert scene.circuit.current_state == "closed"
    assert scene.changes() == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]
    assert [each.now.reason for each in scene.told] == ["maintenance", "released", "sure"]


def test_what_is_held_stays_held_over_a_restart_and_is_told_once(scene: Scene) -> None:
    """A restart neither forgets an operator's word nor announces it again."""
    scene.answer(GOOD)
    scene.circuits.force(NAME, CircuitState.OPEN, "ada", "maintenance")
    scene.pass_by(1)
    scene.circuit.rest()
    scene.pass_by(7200)
    scene.start()
    assert scene.circuit.rest() == 1.0
    assert isinstance(scene.circuit.deliver(never), Deferred)
    assert scene.changes() == [("closed", "open")]


@pytest.mark.parametrize("state", [CircuitState.OPEN, CircuitState.CLOSED])
def test_a_word_said_while_nothing_ran_is_told(scene: Scene, state: CircuitState) -> None:
    """It is heard at the start, and told then, though it may change nothing."""
    scene.answer(GOOD)
    scene.circuits.force(NAME, state, "ada", "maintenance")
    scene.start()
    scene.circuit.rest()
    assert scene.changes() == [("closed", state.value)]
    scene.start()
    scene.circuit.rest()
    assert len(scene.told) == 1


def test_another_process_that_led_in_between_is_believed(scene: Scene) -> None:
    """Who leads again after another did stands where that one left the circuit."""
    scene.answer(GOOD)
    idle = scene.circuit
    scene.start()
    scene.pass_by(5)
    scene.answer(DOWN, 3)
    assert idle.rest() == 1.0
    assert isinstance(idle.deliver(never), Deferred)


def test_each_change_is_told_once_with_the_wait(scene: Scene) -> None:
    """Opening, probing and closing are told in order."""
    scene.answer(DOWN, 3)
    scene.pass_by(10)
    scene.answer(GOOD, 3)
    assert scene.changes() == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]
    assert scene.told[0].now.reopen_at == NOON + timedelta(seconds=10)


def test_a_store_that_is_away_keeps_no_delivery(scene: Scene) -> None:
    """The breaker works by itself, and what it did is saved and told once the store is back."""
    scene.circuits.away = True
    scene.answer(DOWN, 3)
    assert scene.circuit.rest() == 1.0
    assert scene.told == []
    scene.circuits.away = False
    scene.circuit.rest()
    assert scene.row().state is CircuitState.OPEN
    assert scene.changes() == [("closed", "open")]


def test_what_could_not_be_told_is_told_later(scene: Scene) -> None:
    """A log that is full or away delays the word, and nothing else."""
    scene.deaf = True
    scene.answer(DOWN, 3)
    assert scene.row().state is CircuitState.OPEN
    scene.deaf = False
    scene.circuit.rest()
    assert scene.changes() == [("closed", "open")]
