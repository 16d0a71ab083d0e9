"""The window counts what a list of all calls would."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.breaker.window import SLOTS, Window

SECONDS = 20.0
WIDTH = SECONDS / SLOTS
calls = st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.booleans()), max_size=60)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls)
def test_it_counts_what_is_young_enough(made: list[tuple[int, bool, bool]]) -> None:
    """After each call its counts are those of the calls in the newest ten slots, however long nothing came between."""
    window, now, seen = Window(SECONDS), 0.0, []
    for tenths, failed, slow in made:
        now += tenths / 10
        seen.append((int(now / WIDTH), failed, slow))
        window.add(now, failed=failed, slow=slow)
        young = [each for each in seen if each[0] > int(now / WIDTH) - SLOTS]
        counted = (len(young), sum(each[1] for each in young), sum(each[2] for each in young))
        assert (window.calls, window.failures, window.slow) == counted


def test_its_memory_stays_the_same() -> None:
    """A hundred thousand calls leave as many slots as one."""
    window = Window(SECONDS)
    for each in range(100_000):
        window.add(each / 1000, failed=True, slow=False)
    assert len(window._calls) == len(window._failures) == len(window._slow) == SLOTS
