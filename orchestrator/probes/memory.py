"""A prober for tests and trials: it answers as it was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.probes import ProbeResult

if TYPE_CHECKING:
    from orchestrator.domain.probes import ProbeSpec

PASSED = ProbeResult(passed=True, why="answered")


@dataclass(slots=True)
class MemoryProber:
    """Gives `answers` first, one for each probe, and `answer` from then on; keeps what it was asked."""

    answer: ProbeResult = PASSED
    answers: list[ProbeResult] = field(default_factory=list)
    asked: list[ProbeSpec] = field(default_factory=list)

    def probe(self, spec: ProbeSpec) -> ProbeResult:
        """Answer."""
        self.asked.append(spec)
        return self.answers.pop(0) if self.answers else self.answer


@dataclass(slots=True)
class MemoryRuns:
    """The port ProbeRuns without threads: a probe is over by the next call of `finished`."""

    prober: MemoryProber = field(default_factory=MemoryProber)
    under_way: dict[str, ProbeSpec] = field(default_factory=dict)

    def start(self, name: str, spec: ProbeSpec) -> bool:
        """Begin a probe, unless one of this dependency is under way."""
        if name in self.under_way:
            return False
        self.under_way[name] = spec
        return True

    def finished(self) -> list[tuple[str, ProbeResult]]:
        """Answer all that are under way."""
        begun, self.under_way = self.under_way, {}
        return [(name, self.prober.probe(spec)) for name, spec in begun.items()]
