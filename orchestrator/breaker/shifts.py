"""What changed at a circuit, noted while its lock is held, to be kept and told after it was let go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.domain.circuits import CircuitState, Forced
    from orchestrator.domain.events import Outcome


@dataclass(frozen=True, slots=True)
class Shift:
    """A change: from then on it was to stay open for so many seconds, where it is; which answer or person moved it."""

    before: CircuitState
    state: CircuitState
    seconds: float
    trips: int
    outcome: Outcome | None
    reason: str | None
    forced: Forced | None
