"""The names of new events: no two alike, and in the order of time."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest

from eventbus import event_ids
from eventbus.event_ids import event_id
from eventbus.identity import time_ordered

ALL_ONES = (1 << 80) - 1


@pytest.mark.parametrize("dice", [0, ALL_ONES, 0x5A5A_5A5A_5A5A_5A5A_5A5A])
def test_a_name_is_a_uuid_of_version_7_that_begins_with_the_time(dice: int) -> None:
    """Whatever the dice say, version, variant and the 48 bits of time are as the RFC has them."""
    made = time_ordered(0x017F_22E2_79B0, dice)
    assert (made.version, made.variant, made.int >> 80) == (7, RFC_4122, 0x017F_22E2_79B0)


def test_the_example_of_the_rfc_comes_out() -> None:
    """RFC 9562, appendix A.6."""
    dice = 0xCC3 << 64 | 0x18C4_DC0C_0C07_398F
    assert time_ordered(0x017F_22E2_79B0, dice) == UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


def test_of_two_moments_the_later_one_names_higher(monkeypatch: pytest.MonkeyPatch) -> None:
    """As text too: stores compare what they keep."""
    monkeypatch.setattr(event_ids.os, "urandom", lambda number: b"\xff" * number)
    assert str(time_ordered(1_000, ALL_ONES)) < str(time_ordered(1_001, 0))
    monkeypatch.setattr(event_ids.time, "time_ns", lambda: 1_999_999)
    assert event_id() == str(time_ordered(1, ALL_ONES))


def test_names_of_one_moment_differ() -> None:
    """Nobody counts on a clock to tell two events apart."""
    names = {event_id() for _ in range(1_000)}
    assert len(names) == 1_000
    assert all(str(UUID(each)) == each for each in names)
