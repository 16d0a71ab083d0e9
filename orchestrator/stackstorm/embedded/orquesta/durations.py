"""A number of seconds as people read it."""

from __future__ import annotations

from datetime import datetime, timedelta

_SIGNS = ("y", "d", "h", "m", "s")


def to_human_time_from_seconds(seconds: float) -> str:
    """Write seconds as 1d2h3m5s, in a calendar that begins with the year 1; below one second, as StackStorm does."""
    if not isinstance(seconds, int | float):
        raise AssertionError  # noqa: TRY004 the class shows to users, and the real function asserts
    if seconds == 0:
        return "0s"
    if seconds < 1:
        return f"{seconds}\u03bcs"
    start = datetime(1, 1, 1)  # noqa: DTZ001 a calendar to count in, not a time
    end = start + timedelta(seconds=round(seconds))
    parts = (end.year - 1, end.day - 1, end.hour, end.minute, end.second)
    first = next((index for index, part in enumerate(parts) if part), len(parts) - 1)
    return "".join(f"{part}{sign}" for part, sign in zip(parts[first:], _SIGNS[first:], strict=True))
