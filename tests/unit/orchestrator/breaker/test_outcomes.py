"""Each outcome does to the circuit what it says of the sink, and no more; times are the test's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import cycle, islice
from threading import Event, Semaphore

import pytest

from orchestrator.breaker import NEVER, Breaker, Policy
from orchestrator.domain.backoff import LONGEST_RETRY_AFTER, Backoff
from orchestrator.domain.circuits import CircuitState, Forced
from orchestrator.domain.events import Deferred, Delivered, Outcome
from tests.breakers import CANCELLED, DOWN, GOOD, POISON, TOO_MANY, WRONG_KEY, Clock, deliver, never

POLICY = Policy(in_a_row=5, window=60.0, minimum_calls=10, opening=Backoff(10.0, 60.0), parking=Backoff(100.0, 400.0))


@pytest.fixture
def clock() -> Clock:
    """Give a clock of the test's own."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """Give a breaker whose jitter is none."""
    return Breaker("sink", lambda: 0.0, POLICY, clock=clock)


def test_half_of_the_calls_failing_opens_it(breaker: Breaker) -> None:
    """Failures that never come five in a row open it once ten calls were made: pybreaker alone would never."""
    for answer in islice(cycle([DOWN, GOOD]), 9):
        deliver(breaker, answer)
    assert breaker.current_state == "closed"
    deliver(breaker, DOWN)
    assert breaker.current_state == "open"


def test_fewer_calls_than_the_minimum_open_nothing(breaker: Breaker) -> None:
    """A rate of nine calls says nothing yet."""
    for answer in [DOWN, DOWN, DOWN, DOWN, GOOD, DOWN, DOWN, DOWN, DOWN]:
        deliver(breaker, answer)
    assert breaker.current_state == "closed"


def test_what_is_older_than_the_window_is_forgotten(breaker: Breaker, clock: Clock) -> None:
    """Failures of a minute ago are no part of the rate."""
    for answer in islice(cycle([DOWN, GOOD]), 9):
        deliver(breaker, answer)
    clock.seconds += 61
    deliver(breaker, DOWN, 3)
    assert breaker.current_state == "closed"


def test_calls_that_are_slow_open_it(breaker: Breaker, clock: Clock) -> None:
    """Eight slow calls of ten open it, though every one of them arrived."""

    def slow() -> Delivered:
        clock.seconds += 5
        return GOOD

    for _ in range(9):
        breaker.deliver(slow)
    assert breaker.current_state == "closed"
    breaker.deliver(slow)
    assert breaker.current_state == "open"
    assert breaker.take_shifts()[-1].reason == "most calls are slow"


def test_slow_calls_count_for_nothing_where_no_limit_is_set(clock: Clock) -> None:
    """A breaker whose calls may take as long as they like is not opened by them."""
    patient = Breaker("sink", lambda: 0.0, Policy(slow_seconds=NEVER), clock=clock)

    def slow() -> Delivered:
        clock.seconds += 50
        return GOOD

    for _ in range(30):
        patient.deliver(slow)
    assert patient.current_state == "closed"


@pytest.mark.parametrize(("asked", "waits"), [(3.0, 3.0), (120.0, 120.0), (1e9, LONGEST_RETRY_AFTER)])
def test_a_throttle_opens_it_exactly_as_long_as_it_asks(breaker: Breaker, asked: float, waits: float) -> None:
    """One 429 with Retry-After is enough, shorter or longer than our own wait; it lengthens no later one."""
    deliver(breaker, Deferred("429", asked, Outcome.THROTTLE))
    assert (breaker.current_state, breaker.seconds_left()) == ("open", waits)
    assert (breaker.trips, breaker.fail_counter) == (0, 0)


def test_a_throttle_that_asks_for_nothing_waits_longer_each_time(breaker: Breaker, clock: Clock) -> None:
    """Without Retry-After the wait is our own, doubled while the answer stays the same."""
    waits = []
    for _ in range(4):
        deliver(breaker, TOO_MANY)
        waits.append(breaker.seconds_left())
        clock.seconds += waits[-1]
    assert waits == [10, 20, 40, 60]


@pytest.mark.parametrize("asked", [float("nan"), -5.0, 0.0])
def test_a_retry_after_that_is_no_time_is_none(breaker: Breaker, asked: float) -> None:
    """What cannot be waited for is as good as not said."""
    deliver(breaker, Deferred("429", asked, Outcome.THROTTLE))
    assert breaker.seconds_left() == 10


def test_a_wrong_key_parks_it_and_is_no_failure(breaker: Breaker, clock: Clock) -> None:
    """One 401 opens it for long, with a probe now and then, and leaves the count of failures alone."""
    probes = []
    deliver(breaker, WRONG_KEY)
    assert breaker.fail_counter == 0
    for _ in range(3600):
        clock.seconds += 1
        breaker.deliver(lambda: probes.append(clock.seconds) or WRONG_KEY)
    assert [round(each - 100) for each in probes] == [100, 300, 700, 1100, 1500, 1900, 2300, 2700, 3100, 3500]


def test_what_is_neutral_never_opens_it(breaker: Breaker) -> None:
    """A 400, a hundred of them, and cancelled calls leave it closed and forgive no failure."""
    deliver(breaker, POISON, 100)
    deliver(breaker, CANCELLED, 100)
    assert breaker.current_state == "closed"
    deliver(breaker, DOWN, 4)
    deliver(breaker, POISON)
    assert breaker.fail_counter == 4
    deliver(breaker, DOWN)
    assert breaker.current_state == "open"


def test_a_neutral_probe_gives_its_permit_back(breaker: Breaker, clock: Clock) -> None:
    """A probe that says nothing neither closes nor opens it: the next one goes at once."""
    deliver(breaker, DOWN, 5)
    clock.seconds += 10
    deliver(breaker, POISON, 3)
    assert breaker.current_state == "half-open"
    deliver(breaker, GOOD)
    assert breaker.current_state == "closed"


def test_exactly_as_many_probes_as_permitted_are_under_way(clock: Clock) -> None:
    """Of forty callers in half-open three get through, and the circuit closes when two of them succeeded."""
    shared = Breaker("sink", lambda: 0.0, Policy(in_a_row=1, permits=3, successes=2), clock=clock)
    deliver(shared, DOWN)
    clock.seconds += 30
    entered, end = Semaphore(0), Event()

    def probe() -> Delivered:
        entered.release()
        end.wait(60)
        return GOOD

    with ThreadPoolExecutor(40) as pool:
        calls = [pool.submit(shared.deliver, probe) for _ in range(40)]
        refused = list(islice(as_completed(calls, timeout=60), 37))
        assert all(entered.acquire(timeout=60) for _ in range(3))
        assert all(isinstance(each.result(), Deferred) for each in refused)
        end.set()
        assert sum(each.result() == GOOD for each in calls) == 3
    assert shared.current_state == "closed"


def test_after_closing_little_goes_first(breaker: Breaker, clock: Clock) -> None:
    """The share is a sixty-fourth for the probe and doubles with each success up to all; poison does not move it."""
    assert breaker.allowance() == 1.0
    deliver(breaker, DOWN, 5)
    clock.seconds += 10
    shares = []
    while breaker.allowance() < 1.0:
        shares.append(breaker.allowance())
        deliver(breaker, POISON)
        deliver(breaker, GOOD)
    assert shares == [1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2]


def test_a_throttled_sink_gets_half_as_much(breaker: Breaker, clock: Clock) -> None:
    """One that asks for less is sent half, not a sixty-fourth."""
    deliver(breaker, Deferred("429", 1.0, Outcome.THROTTLE))
    assert breaker.allowance() == 0.5
    clock.seconds += 1
    deliver(breaker, Deferred("429", 1.0, Outcome.THROTTLE))
    assert breaker.allowance() == 0.25


def test_a_sink_that_fails_again_while_coming_back_waits_longer(breaker: Breaker, clock: Clock) -> None:
    """One success between two outages does not start the series over: only a full batch does."""
    deliver(breaker, DOWN, 5)
    clock.seconds += 10
    deliver(breaker, GOOD)
    deliver(breaker, DOWN, 5)
    assert breaker.seconds_left() == 20


def test_held_open_nothing_goes_until_it_is_released(breaker: Breaker, clock: Clock) -> None:
    """An operator's word outlasts every wait; after it a probe goes first."""
    breaker.force(Forced(CircuitState.OPEN, "ada", "maintenance"))
    clock.seconds += 1e6
    assert breaker.deliver(never) == Deferred("ada holds the circuit of sink open", 1.0, Outcome.NEUTRAL)
    assert breaker.rest() == 1.0
    breaker.force(None)
    assert (breaker.current_state, breaker.rest(), breaker.allowance()) == ("half-open", 0.0, 1 / 64)
    deliver(breaker, GOOD)
    assert breaker.current_state == "closed"


def test_held_closed_everything_goes_until_it_is_released(breaker: Breaker) -> None:
    """Whatever the sink answers, it is asked again; after the release failures count as before."""
    deliver(breaker, DOWN, 5)
    breaker.force(Forced(CircuitState.CLOSED, "ada", "I know"))
    deliver(breaker, DOWN, 20)
    deliver(breaker, WRONG_KEY)
    assert breaker.current_state == "closed"
    breaker.force(None)
    deliver(breaker, DOWN)
    assert breaker.current_state == "open"


def test_each_change_is_noted_with_its_cause(breaker: Breaker, clock: Clock) -> None:
    """Opening, probing, closing and an operator's word are told in order, with who or what moved it."""
    deliver(breaker, WRONG_KEY)
    clock.seconds += 100
    deliver(breaker, GOOD)
    breaker.force(Forced(CircuitState.CLOSED, "ada", "sure"))
    told = [(each.before, each.state, each.outcome, each.reason, each.seconds) for each in breaker.take_shifts()]
    assert told == [
        ("closed", "open", Outcome.CONFIG, "config: 401", 100.0),
        ("open", "half-open", Outcome.CONFIG, "config: 401", 0.0),
        ("half-open", "closed", Outcome.SUCCESS, None, 0.0),
        ("closed", "closed", Outcome.NEUTRAL, "sure", 0.0),
    ]
    assert breaker.take_shifts() == []


def test_work_that_is_not_done_yet_is_refused(breaker: Breaker) -> None:
    """A coroutine or a generator would count as a success before it began: it says what is expected instead."""

    async def later() -> None:
        """Do nothing."""

    def bit_by_bit():  # type: ignore[no-untyped-def]  # noqa: ANN202 - any generator
        yield 1

    for work in (later, bit_by_bit):
        with pytest.raises(NotImplementedError, match="done its work"):
            breaker.call(work)
    with pytest.raises(NotImplementedError, match="plain function"):
        breaker.call_async(later)


def test_an_excluded_error_is_neutral(clock: Clock) -> None:
    """What pybreaker's `exclude` names neither opens the circuit nor forgives a failure."""
    picky = Breaker("sink", lambda: 0.0, Policy(in_a_row=2), clock=clock, exclude=[ValueError])
    deliver(picky, DOWN)
    for _ in range(5):
        with pytest.raises(ValueError, match="x"):
            picky.call(lambda: int("x"))
    assert (picky.fail_counter, picky.current_state) == (1, "closed")
