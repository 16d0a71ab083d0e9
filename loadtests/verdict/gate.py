"""What a run is held against: a limit for a figure, where it holds, and why it is what it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from loadtests.scenarios.scenario import Bus, Phase, PhaseKind, Scenario


class Rule(StrEnum):
    """How a figure stands to its limit. `all` takes the figure's own denominator for the limit: 7 of 7."""

    BELOW = "below"
    AT_MOST = "at_most"
    EQUALS = "equals"
    AT_LEAST = "at_least"
    ABOVE = "above"
    ALL = "all"

    def holds(self, number: float, limit: float) -> bool:
        """Tell whether a number keeps to the limit."""
        match self:
            case Rule.BELOW:
                return number < limit
            case Rule.AT_MOST:
                return number <= limit
            case Rule.AT_LEAST:
                return number >= limit
            case Rule.ABOVE:
                return number > limit
            case Rule.EQUALS | Rule.ALL:
                return number == limit

    @property
    def sign(self) -> str:
        """Give the sign that people read."""
        return {"below": "<", "at_most": "≤", "at_least": "≥", "above": ">"}.get(self.value, "=")


class JudgedBy(StrEnum):
    """Which number of a figure is held against the limit: itself, or a bound of its interval."""

    VALUE = "value"
    LOW = "low"
    HIGH = "high"


# The end of an interval that lies nearest to breaking a rule: judged by the other, a figure is met that may be missed.
STRICT: Final = {
    Rule.BELOW: JudgedBy.HIGH,
    Rule.AT_MOST: JudgedBy.HIGH,
    Rule.AT_LEAST: JudgedBy.LOW,
    Rule.ABOVE: JudgedBy.LOW,
}


@dataclass(frozen=True, slots=True)
class Where:
    """A phase that a scenario must have for a gate to be asked of it; None is any."""

    kind: PhaseKind | None = None
    bus: Bus | None = None
    traced: bool | None = None
    faults: bool | None = None

    def meets(self, phase: Phase) -> bool:
        """Tell whether a phase is such a one."""
        pairs = (
            (self.kind, phase.kind),
            (self.bus, phase.bus),
            (self.traced, phase.traced),
            (self.faults, bool(phase.faults)),
        )
        return all(wanted is None or wanted == found for wanted, found in pairs)


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit. An interval wider than `widest`, or fewer samples than `fewest`, is 'could not measure'.

    It is asked of every scenario that `only` names, or of all where that is empty, that has a phase as `where` says.
    `search` asks it of those alone that look for the knee, or (false) of the others alone.
    """

    figure: str
    rule: Rule
    limit: float | None
    reason: str
    judged_by: JudgedBy = JudgedBy.VALUE
    widest: float | None = None
    fewest: int | None = None
    only: tuple[str, ...] = ()
    where: Where | None = None
    search: bool | None = None

    def asks(self, scenario: Scenario) -> bool:
        """Tell whether this gate is asked of a scenario."""
        named = not self.only or scenario.name in self.only
        if self.search is not None and self.search != (scenario.search is not None):
            return False
        return named and (self.where is None or any(self.where.meets(phase) for phase in scenario.phases))
