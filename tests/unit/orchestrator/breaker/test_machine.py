"""Whatever is answered, in whatever order, and however long it takes: what a circuit must never do."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.breaker import Breaker, CircuitBreakerError, Policy
from orchestrator.breaker.health import said_by
from orchestrator.domain.circuits import CircuitState, Forced
from orchestrator.domain.events import Deferred, Outcome
from tests.breakers import GOOD, POISON, Clock

PERMITS = 2
POLICY = Policy(in_a_row=3, window=30.0, minimum_calls=4, slow_seconds=2.0, permits=PERMITS, successes=2)
# A moment of a clock plus a wait, less that moment, is the wait but for its last bits.
ROUNDING = 1e-6
BAD = [Outcome.FAILURE, Outcome.THROTTLE, Outcome.CONFIG]
retry_afters = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 5.0, 1e12])
answers = st.one_of(
    st.sampled_from([GOOD, POISON, Deferred("cancelled", None, Outcome.NEUTRAL)]),
    st.builds(Deferred, st.just("unwell"), retry_afters, st.sampled_from(BAD)),
)


def neutral(answer: object) -> bool:
    """Tell whether an answer says nothing of the sink."""
    return answer == POISON or (isinstance(answer, Deferred) and answer.outcome is Outcome.NEUTRAL)


class Circuit(RuleBasedStateMachine):
    """Calls begin and end in any order, as threads would have it; operators come and go, processes start again."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker("sink", lambda: 0.25, POLICY, clock=self.clock)
        self.under_way: list[tuple[int, float]] = []
        self.held: Forced | None = None

    @property
    def state(self) -> str:
        """Give the state that the circuit is in."""
        return self.breaker.current_state

    @rule(seconds=st.floats(0, 5000))
    def time_passes(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.seconds += seconds

    @rule()
    def begins(self) -> None:
        """Begin a call, if it is let through."""
        was_open, left = self.state == "open", self.breaker.seconds_left()
        try:
            self.under_way.append(self.breaker._admit(lambda: None, (), {}))
        except CircuitBreakerError:
            assert self.state != "closed"
            assert not was_open or left > 0
        else:
            assert not was_open or left == 0
        mine = [era for era, _ in self.under_way if era == self.breaker._era]
        assert self.state != "half-open" or len(mine) <= PERMITS

    @precondition(lambda self: self.under_way)
    @rule(answer=answers, which=st.integers(0, 100))
    def ends(self, answer: object, which: int) -> None:
        """End a call, with any answer."""
        before = self.state
        era, began = self.under_way.pop(which % len(self.under_way))
        self.breaker._record(era, began, said_by(answer))
        if neutral(answer) or self.held:
            assert self.state == before

    @rule(state=st.sampled_from([CircuitState.OPEN, CircuitState.CLOSED]))
    def is_forced(self, state: CircuitState) -> None:
        """Hold it."""
        self.held = Forced(state, "ada", "so")
        self.breaker.force(self.held)
        assert self.state == state

    @rule()
    def is_released(self) -> None:
        """Leave it to itself."""
        self.held = None
        self.breaker.force(None)

    @precondition(lambda self: self.held is None)
    @rule()
    def starts_again(self) -> None:
        """Stand in another process as it did in this one."""
        state, left, shifts = self.state, self.breaker.seconds_left(), self.breaker.take_shifts()
        if shifts:
            self.breaker = Breaker("sink", lambda: 0.25, POLICY, clock=self.clock)
            self.breaker.resume(shifts[-1])
            self.under_way.clear()
            assert self.state == state
            assert self.breaker.seconds_left() <= max(left, shifts[-1].seconds) + ROUNDING

    @invariant()
    def is_never_open_for_longer_than_the_cap(self) -> None:
        """Unless it is held open, the wait is bounded, and a time."""
        assert 0 <= self.breaker.seconds_left() <= POLICY.longest + ROUNDING

    @invariant()
    def lets_some_through(self) -> None:
        """The share is above nothing and not above all, and only a series of openings makes it small for long."""
        assert POLICY.first_share <= self.breaker.allowance() <= 1
        assert self.breaker.trips == 0 or self.breaker.allowance() < 1

    def teardown(self) -> None:
        """However it went: once every call has ended and time has passed, successes close it again."""
        self.is_released()
        while self.under_way:
            self.ends(POISON, 0)
        self.clock.seconds += POLICY.longest
        for _ in range(20):
            self.breaker.deliver(lambda: GOOD)
        assert (self.state, self.breaker.allowance(), self.breaker.trips) == ("closed", 1.0, 0)


TestCircuit = Circuit.TestCase
TestCircuit.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
