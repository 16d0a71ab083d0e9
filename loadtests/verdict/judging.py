"""The verdict: every gate that a scenario asks, met or not, and 'could not measure' for what nobody can tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

from loadtests.verdict.gate import JudgedBy, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadtests.scenarios.scenario import Scenario
    from loadtests.verdict.figures import Figure
    from loadtests.verdict.gate import Gate


class Outcome(StrEnum):
    """What a run ends with. A gate that is missed outweighs one that was not measured: a breach is never hidden."""

    PASSED = "passed"
    MISSED = "missed"
    NOT_MEASURED = "not_measured"

    @property
    def exit_code(self) -> int:
        """Give what the command ends with."""
        return {Outcome.PASSED: 0, Outcome.MISSED: 99, Outcome.NOT_MEASURED: 1}[self]


@dataclass(frozen=True, slots=True)
class Judged:
    """One gate beside its figure. `met` is None where nobody can tell; `why` says what decided."""

    figure: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    limit: float | None
    rule: Rule
    judged_by: JudgedBy
    met: bool | None
    why: str
    reason: str
    samples: int | None = None
    numerator: int | None = None
    denominator: int | None = None

    @property
    def mark(self) -> str:
        """Give the sign that people look for."""
        return {True: "✓", False: "✗", None: "?"}[self.met]


@dataclass(frozen=True, slots=True)
class Verdict:
    """All gates of a run in the order of their file; `problems` are what spoilt the run as a whole."""

    rows: tuple[Judged, ...]
    problems: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Give the outcome; where nothing was asked, or anything spoilt the run, it has measured nothing."""
        if any(row.met is False for row in self.rows):
            return Outcome.MISSED
        if not self.rows or self.problems or any(row.met is None for row in self.rows):
            return Outcome.NOT_MEASURED
        return Outcome.PASSED

    @property
    def exit_code(self) -> int:
        """Give what the command ends with: 0, 99 or 1."""
        return self.outcome.exit_code


def judge(
    figures: Iterable[Figure], gates: Iterable[Gate], scenario: Scenario, problems: Sequence[str] = ()
) -> Verdict:
    """Hold the figures against the gates that are asked of the scenario."""
    by_name: dict[str, list[Figure]] = {}
    for figure in figures:
        by_name.setdefault(figure.name, []).append(figure)
    rows = tuple(_row(gate, by_name.get(gate.figure, [])) for gate in gates if gate.asks(scenario))
    return Verdict(rows, tuple(problems))


def _row(gate: Gate, found: Sequence[Figure]) -> Judged:
    if len(found) != 1:
        why = f"expected one figure of this name, got {len(found)}"
        return Judged(gate.figure, None, None, None, "", gate.limit, gate.rule, gate.judged_by, None, why, gate.reason)
    figure = found[0]
    limit = figure.denominator if gate.rule is Rule.ALL else gate.limit
    met, why = _told(gate, figure, limit)
    return Judged(
        gate.figure,
        figure.value,
        figure.low,
        figure.high,
        figure.unit,
        limit,
        gate.rule,
        gate.judged_by,
        met,
        why,
        gate.reason,
        _samples(figure),
        figure.numerator,
        figure.denominator,
    )


def _told(gate: Gate, figure: Figure, limit: float | None) -> tuple[bool | None, str]:
    """Judge one figure. What lies wholly beyond the limit is a miss, however wide its interval is."""
    judged = figure.value if gate.judged_by is JudgedBy.VALUE else getattr(figure, gate.judged_by)
    if (why_not := _unusable(gate, figure, judged)) or limit is None or judged is None:
        return None, why_not or "expected a figure with a denominator, which is its limit, got none"
    if _wholly_beyond(gate, figure, limit):
        return False, "the whole interval lies beyond the limit"
    width = (figure.high or 0) - (figure.low or 0)
    if gate.widest is not None and width > gate.widest:
        return None, f"expected an interval of at most {gate.widest:g} {figure.unit}, got {width:.4g}; measure longer"
    if gate.rule.holds(judged, limit):
        return True, "" if gate.judged_by is JudgedBy.VALUE else f"its {gate.judged_by} end keeps to the limit"
    return False, _why_missed(gate, figure, limit)


def _unusable(gate: Gate, figure: Figure, judged: float | None) -> str | None:
    """Say what keeps a figure from being judged at all."""
    samples = _samples(figure)
    if not figure.measured or figure.value is None or not isfinite(figure.value):
        return figure.why_not or f"expected a number, got {figure.value}"
    if gate.fewest is not None and (samples is None or samples < gate.fewest):
        return f"expected at least {gate.fewest} samples, got {'none' if samples is None else samples}"
    if judged is None or not isfinite(judged):
        return f"expected an interval, to judge by its {gate.judged_by} end, got none"
    if gate.widest is not None and (figure.low is None or figure.high is None):
        return "expected an interval with both ends, to tell how wide it is, got one end"
    return None


def _why_missed(gate: Gate, figure: Figure, limit: float) -> str:
    if gate.judged_by is not JudgedBy.VALUE and figure.value is not None and gate.rule.holds(figure.value, limit):
        return f"the value keeps to the limit, the {gate.judged_by} end of its interval does not"
    return "the value is beyond the limit"


def _wholly_beyond(gate: Gate, figure: Figure, limit: float) -> bool:
    ends = (figure.low, figure.value, figure.high)
    numbers = [each for each in ends if each is not None]
    return gate.judged_by is not JudgedBy.VALUE and not any(gate.rule.holds(each, limit) for each in numbers)


def _samples(figure: Figure) -> int | None:
    return figure.denominator if figure.samples is None else figure.samples
