"""The breaker opens, waits, probes and closes as it should; times are the test's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pybreaker
import pytest

from orchestrator.breaker import Breaker, Policy
from orchestrator.domain.backoff import LONGEST_RETRY_AFTER, Backoff
from orchestrator.domain.events import Deferred, Delivered, Outcome, Refusal, Rejected
from tests.breakers import DOWN, Clock, deliver, never


@pytest.fixture
def clock() -> Clock:
    """Give a clock of the test's own."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """Give a breaker that opens after three failures, for 10, 20, 40, then 60 seconds."""
    return Breaker("sink", lambda: 0.0, Policy(in_a_row=3, opening=TENS), clock=clock)


TENS = Backoff(base=10.0, cap=60.0)
OPEN = Deferred("the circuit of sink is open", 10.0, Outcome.NEUTRAL)


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    """Fewer than the threshold, or with a success between, leave it closed; the threshold opens it."""
    deliver(breaker, DOWN, 2)
    deliver(breaker, Delivered())
    deliver(breaker, DOWN, 2)
    assert breaker.current_state == "closed"
    deliver(breaker, DOWN)
    assert breaker.current_state == "open"
    assert deliver(breaker, Delivered()) == [OPEN]


def test_an_open_circuit_calls_nothing_and_says_how_long(breaker: Breaker, clock: Clock) -> None:
    """While it is open the sink is left alone, and the seconds that are left count down."""
    deliver(breaker, DOWN, 3)
    clock.seconds += 4
    answer = breaker.deliver(never)
    assert answer == Deferred("the circuit of sink is open", 6.0, Outcome.NEUTRAL)
    assert breaker.seconds_left() == 6.0


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, clock: Clock) -> None:
    """After the wait one call goes through; when it succeeds all go, and the count begins anew."""
    deliver(breaker, DOWN, 3)
    clock.seconds += 10
    assert deliver(breaker, Delivered(), 2) == [Delivered(), Delivered()]
    assert (breaker.current_state, breaker.seconds_left(), breaker.fail_counter) == ("closed", 0.0, 0)
    deliver(breaker, DOWN, 2)
    assert breaker.current_state == "closed"


def test_it_stays_open_longer_each_time_in_a_row(breaker: Breaker, clock: Clock) -> None:
    """A probe that fails opens it again at once, for twice as long, up to the cap; a full batch starts over."""
    deliver(breaker, DOWN, 3)
    waits = []
    for _ in range(5):
        waits.append(breaker.seconds_left())
        clock.seconds += waits[-1]
        deliver(breaker, DOWN)
    assert waits == [10, 20, 40, 60, 60]
    clock.seconds += 60
    while breaker.allowance() < 1:
        deliver(breaker, Delivered())
    deliver(breaker, DOWN, 3)
    assert breaker.seconds_left() == 10


@pytest.mark.parametrize(("asked", "waits"), [(5.0, 10.0), (25.0, 25.0), (1e9, LONGEST_RETRY_AFTER)])
def test_it_stays_open_as_long_as_the_sink_asked(breaker: Breaker, asked: float, waits: float) -> None:
    """Retry-After lengthens the wait and never shortens it, within reason."""
    deliver(breaker, Deferred("429", asked), 3)
    assert breaker.seconds_left() == waits


def test_jitter_takes_up_to_half_off(clock: Clock) -> None:
    """Breakers that opened together do not probe together."""
    spread = Breaker("sink", lambda: 0.5, Policy(in_a_row=1, opening=TENS), clock=clock)
    deliver(spread, DOWN)
    assert spread.seconds_left() == 7.5


def test_a_rejected_event_is_neither_failure_nor_success(breaker: Breaker, clock: Clock) -> None:
    """Poison never opens a circuit, does not forgive failures, and gives the probe's permit back."""
    poison = Rejected({1: Refusal("400")})
    deliver(breaker, poison, 10)
    assert breaker.current_state == "closed"
    deliver(breaker, DOWN, 2)
    deliver(breaker, poison)
    deliver(breaker, DOWN)
    assert breaker.current_state == "open"
    clock.seconds += 10
    assert deliver(breaker, poison) == [poison]
    assert breaker.current_state == "half-open"
    deliver(breaker, Delivered())
    assert breaker.current_state == "closed"


def test_an_exception_is_a_failure_and_comes_through(breaker: Breaker) -> None:
    """What the call raises reaches the caller unchanged, the one that opens the circuit too."""
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            breaker.call(lambda: 1 / 0)
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(lambda: 1)


def test_the_end_of_this_process_says_nothing_of_the_sink(breaker: Breaker) -> None:
    """An interrupt is neutral."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            breaker.call(interrupted)
    assert breaker.current_state == "closed"


def test_calls_run_side_by_side(breaker: Breaker) -> None:
    """No lock is held during the call: four calls that wait for each other all end."""
    together = Barrier(4, timeout=60)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: breaker.call(together.wait), range(4))) == [0, 1, 2, 3]


def test_exactly_one_probe_goes_through(breaker: Breaker, clock: Clock) -> None:
    """While a probe is on its way every other call is deferred, however many come."""
    deliver(breaker, DOWN, 3)
    clock.seconds += 10
    started, end = Event(), Event()

    def slow() -> Delivered:
        started.set()
        end.wait(60)
        return Delivered()

    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(breaker.deliver, slow)
        started.wait(60)
        probed = Deferred("the circuit of sink is being probed", 0.0, Outcome.NEUTRAL)
        assert deliver(breaker, Delivered(), 20) == [probed] * 20
        end.set()
        assert probe.result() == Delivered()
    assert breaker.current_state == "closed"


def test_an_outcome_from_before_a_change_changes_nothing(breaker: Breaker, clock: Clock) -> None:
    """A slow call that was let through while closed, and succeeds while open, does not close the circuit."""
    started, end = Event(), Event()

    def slow() -> Delivered:
        started.set()
        end.wait(60)
        return Delivered()

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(breaker.deliver, slow)
        started.wait(60)
        deliver(breaker, DOWN, 3)
        clock.seconds += 1
        end.set()
        assert late.result() == Delivered()
    assert breaker.current_state == "open"
    assert breaker.fail_counter == 3


def test_an_operator_opens_and_closes_it(breaker: Breaker) -> None:
    """The open() and close() of pybreaker work, and its listeners hear of every change."""
    heard: list[tuple[str, str]] = []

    class Listener(pybreaker.CircuitBreakerListener):
        def state_change(self, cb, old_state, new_state) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ARG002 - pybreaker's signature
            heard.append((old_state.name, new_state.name))

    breaker.add_listener(Listener())
    breaker.open()
    assert deliver(breaker, Delivered()) == [OPEN]
    breaker.close()
    assert deliver(breaker, Delivered()) == [Delivered()]
    assert heard == [("closed", "open"), ("open", "closed")]


def test_a_probe_that_an_operator_overtook_keeps_no_permit(breaker: Breaker, clock: Clock) -> None:
    """The circuit is opened by hand while a probe is on its way: the next probe goes through all the same."""
    deliver(breaker, DOWN, 3)
    clock.seconds += 10

    def overtaken() -> Deferred:
        breaker.open()
        return DOWN

    breaker.deliver(overtaken)
    clock.seconds += breaker.seconds_left()
    assert deliver(breaker, Delivered()) == [Delivered()]
    assert breaker.current_state == "closed"


def test_a_with_block_is_refused(breaker: Breaker) -> None:
    """`calling()` would let every caller through in half-open: it says what to use instead."""
    with pytest.raises(NotImplementedError, match="deliver"):
        breaker.calling()
