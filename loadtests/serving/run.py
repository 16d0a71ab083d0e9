"""A run that was asked for: what was wanted, how it ended, and what its report says. Values, nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

GATE_MISSED: Final = 99
MOST_NAMED: Final = 5


class State(StrEnum):
    """Where a run stands. Only a run that ENDED was left to come to its own end."""

    RUNNING = "running"
    ENDED = "ended"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"
    LOST = "lost"  # its process is gone, and nobody knows how


class Outcome(StrEnum):
    """What a run says of the gates. What could not be measured is no pass."""

    PASSED = "passed"
    MISSED = "missed"
    NOT_MEASURED = "not_measured"


_OUTCOMES: Final[dict[int | None, Outcome]] = {0: Outcome.PASSED, GATE_MISSED: Outcome.MISSED}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to play; a key that comes again is the same run. None: what the scenario says."""

    scenario: str
    idempotency_key: str
    timeout_seconds: float
    engines: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How the process ended: `at` in RFC 3339, `report` names its report, None where it made none."""

    state: State
    exit_code: int | None
    at: str
    report: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, and why in a sentence: which gates were missed, or what kept it from measuring."""

    outcome: Outcome
    why: str
    gates: tuple[Mapping[str, Any], ...] = ()


def verdict_of(ending: Ending, report: Mapping[str, Any] | None) -> Verdict:
    """Judge a run by its exit code and its report, which must agree: one alone proves nothing."""
    if ending.state is not State.ENDED:
        return _nothing(f"the run was {str(ending.state).replace('_', ' ')}")
    if report is None:
        return _nothing(f"expected a report, got none; the run ended with exit code {ending.exit_code}")
    told = report.get("verdict", {})
    outcome = _OUTCOMES.get(ending.exit_code, Outcome.NOT_MEASURED)
    if told.get("outcome") != outcome:
        return _nothing(f"expected one verdict, got exit code {ending.exit_code} and a report of {told.get('outcome')}")
    missed = tuple(gate for gate in told.get("gates", ()) if gate.get("met") is not True)
    if outcome is Outcome.PASSED and (missed or not told.get("gates")):
        return _nothing("expected a pass to have gates that are all met, got a report that has not")
    return Verdict(outcome, _reason(missed, report), missed)


def unreadable(error: Exception) -> Verdict:
    """Judge a run whose report was made, and cannot be read any more."""
    return _nothing(f"expected a report that can be read, got {type(error).__name__}: {error}")


def _nothing(why: str) -> Verdict:
    return Verdict(Outcome.NOT_MEASURED, why)


def _reason(missed: tuple[Mapping[str, Any], ...], report: Mapping[str, Any]) -> str:
    named = [_gate(gate) for gate in missed[:MOST_NAMED]] or [str(each) for each in report.get("problems", ())[:1]]
    more = len(missed) - MOST_NAMED
    return "; ".join(named + ([f"and {more} more"] if more > 0 else []))


def _gate(gate: Mapping[str, Any]) -> str:
    """Say one gate that is not met: the figure, its value, the limit."""
    if gate.get("met") is None:
        return f"{gate.get('figure')} was not measured: {gate.get('why') or 'no figure'}"
    unit = f" {gate['unit']}" if gate.get("unit") else ""
    return f"{gate.get('figure')} is {gate.get('value')}{unit}, expected {gate.get('rule')} {gate.get('limit')}"
