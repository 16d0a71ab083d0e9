"""The decision where a failed task goes, with every candidate and why it was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.domain.routes.measures import Measured
    from orchestrator.domain.routes.targets import RouteTarget


@dataclass(frozen=True, slots=True)
class Considered:
    """One candidate: `refused` says why it is closed, None where it is open; `waits` that this may pass by itself.

    `place` is its rank among the open ones, from 1.
    """

    name: str
    refused: str | None = None
    waits: bool = False
    place: int | None = None
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a task goes: the target, None where every one is closed; `hops` counts the targets it was at before."""

    chosen: RouteTarget | None
    candidates: tuple[Considered, ...]
    hops: int = 0

    @property
    def waits(self) -> bool:
        """Tell whether a route may open by itself; otherwise a person has to change something."""
        return self.chosen is None and any(each.waits for each in self.candidates)

    @property
    def note(self) -> str:
        """Say in one sentence where it goes, or why it goes nowhere."""
        if self.chosen is not None:
            return f"goes to {self.chosen.name}"
        refused = "; ".join(f"{each.name} refused: {each.refused}" for each in self.candidates)
        return f"no route: {refused or 'none is declared'}"
