"""The report as one document: JSON-ready, whole, and what every other form of it is made from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from loadtests.report.provenance import Code, code, machine, versions
from loadtests.report.series import series_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.evidence import Evidence
    from loadtests.verdict.figures import Figure
    from loadtests.verdict.judging import Verdict

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which code ran on which machine, with which versions and settings; `scenario` is its file's content as data."""

    code: Code
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    scenario: Mapping[str, Any]
    sabotage: str | None = None

    @classmethod
    def here(cls, scenario: Mapping[str, Any], sabotage: str | None = None) -> Provenance:
        """Ask this machine and this checkout."""
        return cls(code(), machine(), versions(), scenario, sabotage)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was made of the evidence: figures, their verdict, comparisons and knees (dataclasses); the rest is data."""

    figures: Sequence[Figure]
    verdict: Verdict
    comparisons: Sequence[Any] = ()
    first_retry: Mapping[str, Any] = field(default_factory=dict)
    control: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, Any] = field(default_factory=dict)
    knees: Sequence[Any] = ()


def document(evidence: Evidence, found: Findings, made: Provenance) -> dict[str, Any]:
    """Give all that is told of a run. Moments in it are seconds since the run began; keys only ever get added."""
    scenario = evidence.scenario
    told = {
        "schema": SCHEMA,
        "run_id": evidence.run_id,
        "scenario": scenario.name,
        "engines": scenario.engines,
        "started_at": evidence.began_at.isoformat(),
        "ended_at": evidence.ended_at.isoformat(),
        "seconds": round((evidence.ended_at - evidence.began_at).total_seconds(), 3),
        "commit": made.code.commit,
        "dirty": made.code.dirty,
        "machine": made.machine,
        "versions": made.versions,
        "settings": {"scenario": made.scenario, "sabotage": made.sabotage, "seed": scenario.seed},
        "verdict": verdict_of(found.verdict),
        "figures": found.figures,
        "comparisons": found.comparisons,
        "first_retry": found.first_retry,
        "knees": found.knees,
        "series": series_of(evidence),
        "phases": phases_of(evidence),
        "faults": faults_of(evidence),
        "requests": evidence.requests,
        "control": found.control,
        "profiles": found.profiles,
        "problems": found.verdict.problems,
    }
    return {key: plain(value) for key, value in told.items()}


def verdict_of(verdict: Verdict) -> dict[str, Any]:
    """Give the verdict as data: how it ended, and each gate."""
    return {"outcome": verdict.outcome, "exit_code": verdict.exit_code, "gates": verdict.rows}


def phases_of(evidence: Evidence) -> list[dict[str, Any]]:
    """Give each phase that was played with when it began and ended, by its blocks."""
    played = evidence.phases or evidence.scenario.phases
    told = []
    for place, phase in enumerate(played):
        blocks = [each for each in evidence.blocks if each.phase == place]
        if blocks:
            began, ended = min(each.began for each in blocks), max(each.ended for each in blocks)
            told.append(
                {"name": phase.name, "kind": phase.kind, "bus": phase.bus, "traced": phase.traced}
                | {"began": round(began - evidence.began, 3), "ended": round(ended - evidence.began, 3)}
            )
    return told


def faults_of(evidence: Evidence) -> list[dict[str, Any]]:
    """Give each fault as it was made."""
    shifted = (
        {"began": round(each.began - evidence.began, 3), "ended": round(each.ended - evidence.began, 3)}
        for each in evidence.struck
    )
    return [asdict(each) | moments for each, moments in zip(evidence.struck, shifted, strict=True)]


def plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Turn dataclasses, enums and tuples into what JSON knows; a number that JSON has not becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): plain(each) for key, each in dict(value).items()}  # type: ignore[call-overload]
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value
