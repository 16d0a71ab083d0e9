"""What tests of the circuit breaker share: a clock that stands, and answers of every outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain.events import Deferred, Delivered, Outcome, Refusal, Rejected

if TYPE_CHECKING:
    from orchestrator.breaker import Breaker
    from orchestrator.domain.events import Delivery

DOWN = Deferred("503")
TOO_MANY = Deferred("429", None, Outcome.THROTTLE)
WRONG_KEY = Deferred("config: 401", None, Outcome.CONFIG)
CANCELLED = Deferred("cancelled", None, Outcome.NEUTRAL)
POISON = Rejected({1: Refusal("400")})
GOOD = Delivered()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """Read it."""
        return self.seconds


def deliver(breaker: Breaker, answer: Delivery, times: int = 1) -> list[Delivery]:
    """Make deliveries that all end alike."""
    return [breaker.deliver(lambda: answer) for _ in range(times)]


def never() -> Delivery:
    """Stand for a call that must not be made."""
    raise AssertionError("the sink was called")
