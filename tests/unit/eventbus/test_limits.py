"""The limits of the spool: read from the environment, with an error that says what is wrong."""

from __future__ import annotations

import pytest

from eventbus.limits import LimitError, Limits, limits_of


def test_nothing_set_gives_the_defaults() -> None:
    """Unset and empty variables are the defaults."""
    assert limits_of({}) == limits_of({"REDRIVE_SPOOL_BYTES": "", "REDRIVE_SPOOL_AGE": " "}) == Limits()


def test_what_is_set_counts() -> None:
    """Bytes and seconds, as whole numbers."""
    assert limits_of({"REDRIVE_SPOOL_BYTES": "2097152", "REDRIVE_SPOOL_AGE": "60"}) == Limits(2 << 20, 60)


@pytest.mark.parametrize("name", ["REDRIVE_SPOOL_BYTES", "REDRIVE_SPOOL_AGE"])
@pytest.mark.parametrize("given", ["-1", "0", "59", "1.5", "1e9", "256M", "٣٠٠٠٠٠٠", "9" * 20, "nan"])
def test_what_cannot_be_a_limit_is_refused_by_name(name: str, given: str) -> None:
    """The error names the variable, what was expected and what came."""
    with pytest.raises(LimitError, match=f"expected {name} as a whole number of .* or more, got '{given}'"):
        limits_of({name: given})
