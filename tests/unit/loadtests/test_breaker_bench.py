"""The figures of `bench breaker`: medians of what was measured, and a small run that measures all of it."""

from __future__ import annotations

from loadtests.bench.breaker import described, measured, report_of


def test_the_figures_are_medians() -> None:
    """One slow round moves nothing."""
    rounds = {
        "microseconds": {"pybreaker": [2.0, 3.0, 90.0], "ours": [4.0, 4.0, 4.0]},
        "seconds": {"pybreaker": [1.6, 1.6, 9.0], "ours": [0.1, 0.1, 0.1]},
    }
    report = report_of(rounds, 10, 0.5)
    assert (report.rounds, report.microseconds["pybreaker"], report.threads_seconds["pybreaker"]) == (3, 3.0, 1.6)
    assert "4.00" in described(report)


def test_a_small_run_measures_every_breaker() -> None:
    """Each class is called, alone and by threads."""
    found = measured(calls=10, rounds=1)
    assert set(found["microseconds"]) == {"nothing", "pybreaker", "ours", "kept"}
    assert set(found["seconds"]) == {"pybreaker", "ours"}
