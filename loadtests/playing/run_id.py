"""The name of a run, which sorts by time: `20261129T101500Z-smoke-3fa9c1`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

FORM: Final = "%Y%m%dT%H%M%SZ"
SHAPE: Final = re.compile(r"\d{8}T\d{6}Z-[a-z0-9_-]+-[0-9a-f]{6}")


class RunIdInvalid(ValueError):
    """A run's id that cannot be one: it names a folder."""


def made(now: datetime, scenario: str, dice: bytes) -> str:
    """Make one of a moment (UTC), a scenario's name and three bytes of chance."""
    name = re.sub(r"[^a-z0-9]+", "_", scenario.lower()).strip("_") or "scenario"
    return f"{now.strftime(FORM)}-{name}-{dice.hex()}"


def checked(text: str) -> str:
    """Take one that somebody else has made; raises RunIdInvalid."""
    if not SHAPE.fullmatch(text):
        raise RunIdInvalid(f"expected a run's id like 20261129T101500Z-smoke-3fa9c1, got {text!r}")
    return text
