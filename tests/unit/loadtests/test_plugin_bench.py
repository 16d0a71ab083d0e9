"""The figures of `bench plugin`: what was added is found, and a missed target is said."""

from __future__ import annotations

from random import Random

import pytest

from loadtests.bench.plugin import OFF, OTEL, SLOW, UP, VARIANTS, Report, added, report_of

ROUNDS = 30


def rounds(extra: dict[str, float]) -> list[dict[str, list[int]]]:
    """Make rounds of a machine whose pace wanders, where each variant adds so many microseconds to a millisecond."""
    dice = Random(7)
    made = []
    for _ in range(ROUNDS):
        pace = dice.uniform(0.9, 1.5)
        made.append(
            {
                name: [int((1_000 * pace * dice.uniform(0.97, 1.03) + extra.get(name, 0)) * 1000) for _ in range(200)]
                for name in VARIANTS
            }
        )
    return made


def report(**extra: float) -> Report:
    """Report on such rounds."""
    return report_of(rounds({UP: 10, OTEL: 50, **extra}), Random(1))


def test_what_a_variant_adds_is_found_though_the_machine_s_pace_wanders() -> None:
    """Ten and fifty microseconds are told apart on a machine that itself varies by half a millisecond."""
    told = report()
    assert told.median[UP].microseconds == pytest.approx(10, abs=3)
    assert told.median[OTEL].microseconds == pytest.approx(50, abs=3)
    assert told.median[UP].low <= told.median[UP].microseconds <= told.median[UP].high
    assert told.target_met


@pytest.mark.parametrize("extra", [{UP: 40.0}, {UP: 20.0, OTEL: 15.0}, {SLOW: 1_100.0}])
def test_a_missed_target_is_said(extra: dict[str, float]) -> None:
    """More than 30 us, more than OpenTelemetry, or a p95 of a millisecond with a slow bus: each misses it."""
    assert not report(**extra).target_met


def test_no_difference_has_zero_in_its_interval() -> None:
    """The same figures on both sides add nothing."""
    same = [1_000.0 * number for number in range(ROUNDS)]
    assert added(same, same, Random(1)).microseconds == 0
    assert OFF not in report().median
