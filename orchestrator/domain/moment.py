"""What one decision is handed from outside: the clock, the dice, and what is set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.dependencies import Policies

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """When a decision is made, and a number in [0, 1) that spreads what would otherwise fall together."""

    at: datetime
    jitter: float
    policies: Policies = field(default_factory=Policies)
