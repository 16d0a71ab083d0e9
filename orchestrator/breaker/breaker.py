"""pybreaker, mended: no lock held during the call, exact permits in half-open, outcomes told apart, Retry-After kept.

pybreaker's `call` runs the protected function under its lock, counts failures in a row alone and an excluded error as a
success, and lets every caller of `calling()` through in half-open. Here a call is admitted under the lock, made without
it, and recorded under it again. The states, their storage, their names and their listeners stay pybreaker's.
"""

from __future__ import annotations

import time
from collections import deque
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker, CircuitBreakerError

from orchestrator.breaker.health import NEUTRAL, Health, Opening, Said, said_by
from orchestrator.breaker.policy import Policy
from orchestrator.breaker.shifts import Shift
from orchestrator.domain.circuits import CircuitState
from orchestrator.domain.events import Deferred, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.circuits import Forced
    from orchestrator.domain.events import Delivery

__all__ = ["LOOK", "Breaker", "CircuitBreakerError"]

T = TypeVar("T")

# Seconds between two looks at a circuit that is open.
LOOK: Final = 1.0
STANDARD: Final = Policy()
# Changes that nobody asked for yet; the oldest give way.
MOST_SHIFTS: Final = 64


class Unwell(Exception):
    """What pybreaker's listeners are told of a delivery that was deferred: it raised nothing."""


class Breaker(CircuitBreaker):
    """Opens when the other side is unwell, waits as long as it asks, probes it, and comes back slowly; see Policy.

    `clock` gives seconds that never go back, `jitter` a number in [0, 1). `options` are pybreaker's own: `exclude`,
    `listeners`, `state_storage`, `throw_new_error_on_trip`. Safe to share between threads.
    """

    def __init__(
        self,
        name: str,
        jitter: Callable[[], float],
        policy: Policy = STANDARD,
        *,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        self.policy = policy
        self._clock = clock
        self._health = Health(policy, jitter)
        self._moved_by = NEUTRAL
        self._forced: Forced | None = None
        self._era = 0
        self._under_way = 0
        self._reopen_at = 0.0
        self._shifts: deque[Shift] = deque(maxlen=MOST_SHIFTS)
        options = {"throw_new_error_on_trip": False} | options
        super().__init__(fail_max=policy.in_a_row, success_threshold=policy.successes, name=name, **options)

    @property
    def trips(self) -> int:
        """Tell how often in a row it opened; the series is over once a full batch has arrived again."""
        return self._health.trips

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make a delivery through the circuit; while it is open, Deferred at once with the seconds that are left."""
        try:
            return self.call(send)
        except CircuitBreakerError as error:
            return Deferred(str(error), self.seconds_left(), Outcome.NEUTRAL)

    def seconds_left(self) -> float:
        """Tell how long the circuit stays open; 0 when it is not, LOOK when an operator holds it open."""
        if self.current_state != STATE_OPEN:
            return 0.0
        return LOOK if self._forced else max(0.0, self._reopen_at - self._clock())

    def rest(self) -> float:
        """Tell for how long, up to LOOK seconds, nothing is to be sent; 0 to go on."""
        return min(LOOK, self.seconds_left())

    def allowance(self) -> float:
        """Give the share of the usual number of events that the next batch may hold."""
        return self._health.share

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `func` if the circuit lets it; raises CircuitBreakerError if not, else what `func` raises."""
        era, began = self._admit(func, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            # What stops this process, like KeyboardInterrupt, and what is excluded say nothing of the other side.
            counts = isinstance(error, Exception) and self.is_system_error(error)
            said = Said(Outcome.FAILURE, reason=type(error).__name__) if counts else NEUTRAL
            if self._record(era, began, said, error) and self._throw_new_error_on_trip:
                raise CircuitBreakerError(f"the circuit of {self.name} has opened") from error
            raise
        if isinstance(result, GeneratorType | CoroutineType):
            self._record(era, began, NEUTRAL)
            result.close()
            raise NotImplementedError(
                "expected a function that has done its work when it returns, got one that has not"
            )
        self._record(era, began, said_by(result))
        return result

    def calling(self) -> NoReturn:
        """Refuse: the outcome of a `with` block cannot be judged."""
        raise NotImplementedError("expected call() or deliver(), got calling(); pass the work as a function")

    def call_async(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: pybreaker holds its lock while it waits."""
        raise NotImplementedError("expected call() or deliver(), got call_async(); pass the work as a plain function")

    def open(self) -> bool:
        """Open the circuit, for as long as its turn in the series says."""
        with self._lock:
            return self._open(Opening(NEUTRAL, self._health.own_seconds()))

    def force(self, forced: Forced | None) -> None:
        """Hold the circuit open or closed, whatever comes; None leaves it to itself: what was held open is probed."""
        with self._lock:
            if forced == self._forced:
                return
            before, noted = CircuitState(self.current_state), len(self._shifts)
            self._forced = forced
            self._moved_by = Said(Outcome.NEUTRAL, reason=forced.reason if forced else "released")
            self._go_where_forced(forced)
            if len(self._shifts) == noted:
                self._note(before, before)

    def resume(self, shift: Shift) -> None:
        """Stand as after a change in another process; one that has no more seconds to be open is probed at once."""
        with self._lock:
            self._moved_by = Said(shift.outcome or Outcome.NEUTRAL, reason=shift.reason)
            self._health.trips, self._forced = shift.trips, shift.forced
            if shift.trips or shift.state is not CircuitState.CLOSED:
                self._health.start_small()
            if shift.forced:
                self._go_where_forced(shift.forced)
            elif shift.state is CircuitState.OPEN and shift.seconds > 0:
                self._reopen_at = self._clock() + min(shift.seconds, self.policy.longest)
                super().open()
            elif shift.state is CircuitState.CLOSED:
                self.close()
            else:
                self.half_open()
            self._shifts.clear()

    def take_shifts(self) -> list[Shift]:
        """Give what changed since this was last asked, oldest first."""
        if not self._shifts:
            return []
        with self._lock:
            taken = list(self._shifts)
            self._shifts.clear()
            return taken

    def _go_where_forced(self, forced: Forced | None) -> None:
        if forced is None:
            if self.current_state == STATE_OPEN:
                self.half_open()
        elif forced.state is CircuitState.OPEN:
            self._health.start_small()
            super().open()
        else:
            self.close()

    def _admit(self, func: Callable[..., Any], args: Any, kwargs: Any) -> tuple[int, float]:  # noqa: ANN401 - any function's
        """Let a call through and give the era it belongs to, and when it began; raises CircuitBreakerError."""
        with self._lock:
            now, state = self._clock(), self.state.name
            if state == STATE_OPEN:
                if self._forced:
                    raise CircuitBreakerError(f"{self._forced.by} holds the circuit of {self.name} open")
                if now < self._reopen_at:
                    raise CircuitBreakerError(f"the circuit of {self.name} is open")
                self.half_open()
                state = STATE_HALF_OPEN
            if state == STATE_HALF_OPEN and self._under_way >= self.policy.permits:
                raise CircuitBreakerError(f"the circuit of {self.name} is being probed")
            for listener in self._listeners:
                listener.before_call(self, func, *args, **kwargs)
            self._under_way += state == STATE_HALF_OPEN
            return self._era, now

    def _record(self, era: int, began: float, said: Said, error: BaseException | None = None) -> bool:
        """Count what a call said and tell whether it opened the circuit.

        One that was admitted before the state changed says nothing of the state that is now.
        """
        with self._lock:
            if era != self._era:
                return False
            probe = self._state.name == STATE_HALF_OPEN
            self._under_way -= probe
            if said.outcome is Outcome.NEUTRAL:
                return False
            if said.outcome is Outcome.SUCCESS:
                opening = self._succeeded(began, probe=probe)
            else:
                opening = self._unwell(said, began, error or Unwell(said.reason), probe=probe)
            if opening is None or self._forced:
                return False
            self._open(opening)
            return True

    def _succeeded(self, began: float, *, probe: bool) -> Opening | None:
        self._state_storage.reset_counter()
        opening = self._health.succeeded(began, self._clock(), probe=probe)
        for listener in self._listeners:
            listener.success(self)
        if probe:
            self._state_storage.increment_success_counter()
            if self.success_counter >= self.success_threshold:
                self._moved_by = Said(Outcome.SUCCESS)
                self.close()
        return opening

    def _unwell(self, said: Said, began: float, error: BaseException, *, probe: bool) -> Opening | None:
        if said.outcome is Outcome.FAILURE:
            self._inc_counter()
        for listener in self._listeners:
            listener.failure(self, error)
        if said.outcome is Outcome.THROTTLE:
            return self._health.throttled(said)
        if said.outcome is Outcome.CONFIG:
            return self._health.misconfigured(said)
        enough = probe or self.fail_counter >= self.fail_max
        return self._health.failed(said, began, self._clock(), enough=enough)

    def _open(self, opening: Opening) -> bool:
        self._moved_by = opening.said
        self._health.opened(opening)
        self._reopen_at = self._clock() + opening.seconds
        return super().open()

    def _create_new_state(self, new_state: str, prev_state: Any = None, notify: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - pybreaker's signature
        """Begin an era with each state, whoever asked for it."""
        self._era += 1
        self._under_way = 0
        now = self._clock()
        if new_state == STATE_CLOSED:
            self._health.forget_calls()
        if new_state != STATE_OPEN:
            self._reopen_at = 0.0
        elif self._reopen_at <= now:
            self._reopen_at = now + self._health.own_seconds()
        if prev_state is not None and prev_state.name != new_state:
            self._note(CircuitState(prev_state.name), CircuitState(new_state))
        return super()._create_new_state(new_state, prev_state, notify)

    def _note(self, before: CircuitState, state: CircuitState) -> None:
        seconds = self._reopen_at - self._clock() if state is CircuitState.OPEN else 0.0
        moved = self._moved_by
        self._shifts.append(Shift(before, state, seconds, self.trips, moved.outcome, moved.reason, self._forced))
