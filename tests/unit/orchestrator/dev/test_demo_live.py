"""What a demo says while it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.dev import demo_live
from orchestrator.dev.demo_live import FIXED, Live, Look

if TYPE_CHECKING:
    import pytest

LOOK = Look(calls=100, succeeded=40, failed=0, refused=7, up=True, fault=None)


def told(look: Look, rate: float) -> str:
    """Give what is told of a look, as it is shown."""
    return demo_live.told(look, rate).replace(FIXED, " ")


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


def test_on_60_columns_nothing_is_torn_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal no line is longer than it, and each figure stays with its name."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    Live(title="Redrive").show(replace(LOOK, captured=12_345, recovered=10_001, incidents=17))
    shown = capsys.readouterr().err
    assert max(map(len, shown.splitlines())) < 60
    assert all(part in shown for part in ("recovered 10001", "incidents 17", "time left unknown"))


def test_elsewhere_lines_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each look, without any control character; nothing at all when it is to be quiet."""
    Live(title="Redrive").show(LOOK)
    Live(quiet=True).say("not heard")
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    assert "\033" not in shown
