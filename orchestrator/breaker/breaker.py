"""pybreaker, mended: no lock held during the call, one probe in half-open, outcomes told apart, Retry-After kept.

pybreaker's `call` runs the protected function under its lock, counts an excluded error as a success, and lets every
caller of `calling()` through in half-open. Here a call is admitted under the lock, made without it, and recorded under
it again. The states, their storage, their names and their listeners stay pybreaker's.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from pybreaker import STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker, CircuitBreakerError

from orchestrator.domain.backoff import LONGEST_RETRY_AFTER, Backoff
from orchestrator.domain.events import Deferred, Outcome, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.events import Delivery

__all__ = ["OPENING", "Breaker", "CircuitBreakerError", "Verdict"]

T = TypeVar("T")

# For how long an open circuit stays open, where the other side asks for no more.
OPENING: Final = Backoff(base=1.0, cap=30.0)
# Seconds between two looks at a circuit that is open.
LOOK: Final = 1.0


class Verdict(Enum):
    """What a call says of the other side's health."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


class Breaker(CircuitBreaker):
    """Opens after `fail_max` failures in a row; then lets exactly one call through at a time until one succeeds.

    `opening` is for how long, by the times in a row; `clock` gives seconds that never go back; `jitter` a number in
    [0, 1).
    """

    def __init__(
        self,
        name: str,
        jitter: Callable[[], float],
        *,
        fail_max: int = 5,
        opening: Backoff = OPENING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._opening = opening
        self._era = 0
        self._trips = 0
        self._reopen_at = 0.0
        self._probing = False
        super().__init__(fail_max=fail_max, name=name)

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make a delivery through the circuit; while it is open, Deferred at once with the seconds that are left."""
        try:
            return self.call(send)
        except CircuitBreakerError as error:
            return Deferred(str(error), self.seconds_left(), Outcome.NEUTRAL)

    def rest(self) -> float:
        """Tell for how long, up to LOOK seconds, nothing is to be sent; 0 to go on."""
        return min(LOOK, self.seconds_left())

    def allowance(self) -> float:
        """Give the share of the usual number of events that the next batch may hold."""
        return 1.0

    def seconds_left(self) -> float:
        """Tell how long the circuit stays open; 0 when it is not."""
        return max(0.0, self._reopen_at - self._clock()) if self.current_state == STATE_OPEN else 0.0

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `func` if the circuit lets it; raises CircuitBreakerError if not, else what `func` raises."""
        era = self._admit()
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            # What stops this process, like KeyboardInterrupt, says nothing of the other side.
            self._record(era, Verdict.FAILURE if isinstance(error, Exception) else Verdict.NEUTRAL)
            raise
        self._record(era, *_judged(result))
        return result

    def calling(self) -> NoReturn:
        """Refuse: the outcome of a `with` block cannot be judged."""
        raise NotImplementedError("expected call() or deliver(), got calling(); pass the work as a function")

    def open(self) -> bool:
        """Open the circuit, for as long as its turn in the series says."""
        return self._open_for(0.0)

    def _admit(self) -> int:
        """Let a call through and give the era it belongs to; raises CircuitBreakerError."""
        with self._lock:
            if self.current_state == STATE_OPEN:
                if self._clock() < self._reopen_at:
                    raise CircuitBreakerError(f"the circuit of {self.name} is open")
                self.half_open()
            if self.current_state == STATE_HALF_OPEN:
                if self._probing:
                    raise CircuitBreakerError(f"the circuit of {self.name} is being probed")
                self._probing = True
            return self._era

    def _record(self, era: int, verdict: Verdict, retry_after: float = 0.0) -> None:
        """Count an outcome; one that was admitted before the state changed says nothing of the state that is now."""
        with self._lock:
            if era != self._era:
                return
            self._probing = False
            if verdict is Verdict.SUCCESS:
                self._succeeded()
            elif verdict is Verdict.FAILURE:
                self._failed(retry_after)

    def _succeeded(self) -> None:
        self._state_storage.reset_counter()
        if self.current_state == STATE_HALF_OPEN:
            self._trips = 0
            self.close()

    def _failed(self, retry_after: float) -> None:
        self._inc_counter()
        if self.current_state == STATE_HALF_OPEN or self.fail_counter >= self.fail_max:
            self._open_for(retry_after)

    def _open_for(self, retry_after: float) -> bool:
        with self._lock:
            asked, own = min(retry_after, LONGEST_RETRY_AFTER), self._opening.seconds(self._trips, self._jitter())
            self._reopen_at = self._clock() + max(asked, own)
            self._trips += 1
            return super().open()

    def _create_new_state(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - pybreaker's union of its states
        """Begin an era with each state, whoever asked for it."""
        self._era += 1
        self._probing = False
        return super()._create_new_state(*args, **kwargs)


def _judged(result: object) -> tuple[Verdict, float]:
    """Judge what a call returned, with the Retry-After of a deferred delivery."""
    if isinstance(result, Deferred):
        return Verdict.FAILURE, result.retry_after or 0.0
    return (Verdict.NEUTRAL if isinstance(result, Rejected) else Verdict.SUCCESS), 0.0
