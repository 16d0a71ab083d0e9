"""What a demo says while it runs."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.dev.demo_live import Look, told

LOOK = Look(calls=100, succeeded=40, failed=0, refused=7, up=True, fault=None)


def test_the_time_left_is_what_is_left_over_the_rate() -> None:
    """60 calls at 5 a second are 12 seconds; without a rate nobody knows."""
    assert "about 12 s left" in told(LOOK, 5.0)
    assert "time left unknown" in told(LOOK, 0.0)


def test_the_provider_is_told_as_it_is() -> None:
    """Up, up but limiting, down by the fault file, switched off."""
    states = [(True, None), (True, "rate_limited"), (False, "outage"), (False, None)]
    lines = [told(replace(LOOK, up=up, fault=fault), 1) for up, fault in states]
    wanted = ["provider up", "provider up (rate_limited)", "provider DOWN (outage)", "provider DOWN (switched off)"]
    assert all(want in line for want, line in zip(wanted, lines, strict=True))


def test_an_arm_without_redrive_tells_of_failure() -> None:
    """With Redrive, what it caught; without it, what Celery gave up."""
    assert "in FAILURE 3" in told(replace(LOOK, failed=3), 1)
    assert "incidents 2" in told(replace(LOOK, captured=9, incidents=2), 1)
