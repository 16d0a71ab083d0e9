"""A run's name sorts by time and is safe as a folder's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loadtests.playing.run_id import RunIdInvalid, checked, made

NOW = datetime(2026, 11, 29, 10, 15, tzinfo=UTC)


def test_a_run_is_named_by_time_scenario_and_chance() -> None:
    """The name says when and what, and two of the same second differ."""
    assert made(NOW, "smoke", b"\x3f\xa9\xc1") == "20261129T101500Z-smoke-3fa9c1"
    assert checked(made(NOW, "My night, part 2", b"abc")) == "20261129T101500Z-my_night_part_2-616263"


@pytest.mark.parametrize("wrong", ["", "../../etc", "20261129T101500Z-smoke-3fa9c1/..", "smoke"])
def test_a_name_that_is_none_is_refused(wrong: str) -> None:
    """What would name another folder is no run's id."""
    with pytest.raises(RunIdInvalid, match="expected a run's id"):
        checked(wrong)
