"""What our breaker leans on in pybreaker, and what it mends: a release that changes either fails here first."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pybreaker
import pytest


def test_the_release_is_one_that_was_read() -> None:
    """A private method is overridden, so only the releases that were read are allowed."""
    assert version("pybreaker").startswith("1.4.")


def test_every_change_of_state_goes_through_the_method_that_we_override() -> None:
    """`_create_new_state` is called once at the start and once for each transition, with the lock held."""
    created = []

    class Watched(pybreaker.CircuitBreaker):
        def _create_new_state(self, new_state, *args, **kwargs):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202 - pybreaker's signature
            created.append(new_state)
            return super()._create_new_state(new_state, *args, **kwargs)

    breaker = Watched()
    breaker.open()
    breaker.half_open()
    breaker.close()
    assert created == ["closed", "open", "half-open", "closed"]


def test_the_parts_that_we_use_are_there() -> None:
    """The lock can be taken again by its holder; the storage counts failures; the states have these names."""
    breaker = pybreaker.CircuitBreaker(fail_max=2)
    with breaker._lock, breaker._lock:
        breaker._inc_counter()
    assert breaker.fail_counter == 1
    breaker._state_storage.reset_counter()
    assert breaker.fail_counter == 0
    names = (pybreaker.STATE_CLOSED, pybreaker.STATE_OPEN, pybreaker.STATE_HALF_OPEN)
    assert names == ("closed", "open", "half-open")


def test_closing_forgets_the_failures() -> None:
    """The count starts at zero when the circuit closes: `_record` relies on it."""
    breaker = pybreaker.CircuitBreaker(fail_max=1)
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(lambda: 1 / 0)
    breaker.close()
    assert breaker.fail_counter == 0


def test_its_own_call_still_holds_the_lock() -> None:
    """The fault that we mend is still there; when it is gone, so may be our override."""
    breaker = pybreaker.CircuitBreaker()
    owned = breaker._lock._is_owned  # type: ignore[attr-defined]  # CPython's own question of an RLock
    assert breaker.call(owned)
    assert "with self._lock" in inspect.getsource(pybreaker.CircuitBreaker.call)


def test_its_own_exclusion_still_counts_as_success() -> None:
    """An excluded error resets the count of failures: why neutral outcomes are ours."""
    breaker = pybreaker.CircuitBreaker(fail_max=3, exclude=[ValueError])
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    with pytest.raises(ValueError, match="x"):
        breaker.call(lambda: int("x"))
    assert breaker.fail_counter == 0
