"""The control is the same work every time, and one slow moment of a run is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests import control

if TYPE_CHECKING:
    from pathlib import Path


def test_it_measures_four_things(tmp_path: Path) -> None:
    """Each takes some time, none more than a second, and nothing stays in the folder."""
    measured = control.measure(tmp_path)
    assert measured.keys() == {"loop_s", "loop_cpu_s", "fsync_s", "loopback_s"}
    assert all(0 < each < 1 for each in measured.values())
    assert list(tmp_path.iterdir()) == []


def test_a_tick_is_a_small_part_of_it() -> None:
    """By the clock and in processor time, within a second."""
    ticked = control.tick()
    assert ticked.keys() == {"tick_s", "tick_cpu_s"}
    assert all(0 < each < 1 for each in ticked.values())


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Nobody takes a control without a disk for one."""
    with pytest.raises(OSError, match="gone"):
        control.measure(tmp_path / "gone")


def test_the_moments_of_a_run_are_summed_up() -> None:
    """The middle of each over the moments that have it, and by how much the loop drifted."""
    one, two = {"loop_s": 0.02, "fsync_s": 0.001}, {"loop_s": 0.08, "fsync_s": 0.004, "loopback_s": 1.0}
    ticks = [{"tick_cpu_s": each} for each in (0.002, 0.9, 0.003)]
    assert control.summary([one, *ticks, two])["tick_cpu_s"] == pytest.approx(0.003)
    assert control.summary([one, two]) == pytest.approx(
        {"loop_s": 0.04, "fsync_s": 0.002, "loopback_s": 1.0, "drift": 3.0}
    )
    assert control.summary([one]) == pytest.approx({**one, "drift": 0.0})
    assert control.summary([]) == {}
