"""Times as a person reads and types them: `14m` ago, `2h` from now, or RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LENGTH: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhdw])")
EXPECTED: Final = "expected a length as 90s, 10m, 2h, 3d, or a time with an offset, as 2026-11-01T00:00:00Z"
STEPS: Final = (("d", 86_400), ("h", 3_600), ("m", 60))


def now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


def lasting(seconds: float) -> str:
    """Give a length of time in one unit, or in two where the second says something: `45s`, `14m`, `2h 10m`, `3d`."""
    left = max(round(seconds), 0)
    for place, (unit, each) in enumerate(STEPS):
        if left >= each:
            whole, rest = divmod(left, each)
            below, size = STEPS[place + 1] if place + 1 < len(STEPS) else ("s", 1)
            more = f" {rest // size}{below}" if whole < 10 and rest // size else ""  # noqa: PLR2004 - from ten on, the first unit says enough
            return f"{whole}{unit}{more}"
    return f"{left}s"


def coarse(seconds: float) -> str:
    """Give a length of time in its greatest unit alone, for a narrow column: `45s`, `14m`, `2h`, `3d`."""
    return lasting(seconds).partition(" ")[0]


def ago(at: str | None, current: datetime) -> str:
    """Tell how long ago a moment of the API was, `-` where there is none."""
    return coarse((current - datetime.fromisoformat(at)).total_seconds()) if at else "-"


def clock(at: str | None) -> str:
    """Give a moment of the API to the second, `-` where there is none."""
    return f"{at[:10]} {at[11:19]}Z" if at else "-"


def length(text: str) -> timedelta | None:
    """Read a length of time; None where it is none."""
    found = LENGTH.fullmatch(text)
    return timedelta(seconds=float(found[1]) * UNITS[found[2]]) if found else None


def before(text: str, current: datetime) -> str:
    """Read a moment that lies back: `2h` is two hours before now. Gives RFC 3339; raises BadParameter."""
    return _moment(text, current, -1)


def after(text: str, current: datetime) -> str:
    """Read a moment that is to come: `2h` is two hours from now. Gives RFC 3339; raises BadParameter."""
    return _moment(text, current, 1)


def _moment(text: str, current: datetime, sign: int) -> str:
    distance = length(text)
    if distance is not None:
        return (current + sign * distance).isoformat(timespec="seconds")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(f"{EXPECTED}; got {text!r}")
    return found.isoformat()
