"""The clock and the dice of one decision, handed in from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """When a decision is made, and a number in [0, 1) that spreads what would otherwise fall together."""

    at: datetime
    jitter: float
