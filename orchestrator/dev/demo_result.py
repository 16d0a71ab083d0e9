"""What a demo ends with: what happened, for each kind of fault, with counts, and whether it all held."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from orchestrator.dev.demo_compare import Comparison
    from orchestrator.dev.demo_faults import FaultCounts

WIDTH: Final = 60
NEXT: Final = (
    "redrive demo --compare --report demo.html",
    "redrive demo --calls 0    (the whole hour, some minutes)",
    "redrive dev               (the same stack, for your app)",
)


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The figures of one demo; money is USD. `checks` maps each promise to whether it held."""

    calls: int
    succeeded: int
    failed: int
    incidents: int
    recovered: int
    waiting: int
    cost_usd: Decimal
    seconds: float
    sinks: Mapping[str, Mapping[str, Any]]
    costs: Mapping[str, Decimal]
    completeness: Mapping[str, Any]
    faults: Sequence[FaultCounts]
    near_duplicates: Mapping[str, float]
    wrong: Sequence[Mapping[str, Any]]
    first_retry: Mapping[str, int]
    settled: Mapping[str, int]
    story: Mapping[str, Any]
    told_incidents: Sequence[Mapping[str, Any]]
    dataplane: Mapping[str, Any]
    assumed: Mapping[str, Any]
    checks: Mapping[str, bool] = field(default_factory=dict)
    comparison: Comparison | None = None
    report: str | None = None

    @property
    def passed(self) -> bool:
        """Tell whether every promise held."""
        return all(self.checks.values())

    def as_data(self) -> dict[str, Any]:
        """Give the result as JSON-ready data; keys only ever get added."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "told_incidents"}
        return plain | {
            "cost_usd": str(self.cost_usd),
            "seconds": round(self.seconds, 1),
            "costs": {model: str(usd) for model, usd in self.costs.items()},
            "faults": [each.as_data() for each in self.faults],
            "comparison": self.comparison.as_data() if self.comparison else None,
            "passed": self.passed,
        }

    def as_text(self) -> str:
        """Tell the same on one screen, at most 60 columns wide."""
        compared = self.comparison.as_text() if self.comparison else []
        happened = (*self._told(), *self._told_faults(), *self._told_sinks(), *compared)
        return "\n".join((*happened, *self._told_checks(), *self._told_next()))

    def _told(self) -> list[str]:
        first = self.first_retry
        calls = (
            f"{self.calls:,} calls in {self.seconds:.0f} s: {self.succeeded:,} ended well, {self.waiting} wait for a "
            f"person. {self.failed:,} failures in {self.incidents} incidents, {self.recovered:,} recovered; "
            f"first retries: {first['first_successes']:,} of {first['first_attempts']:,} succeeded; "
            f"duplicate runs: {first['duplicates']}."
        )
        cost = (
            f"Cost: {self.cost_usd:.4f} USD for {self.completeness['received']:,} answers received; "
            f"{self.completeness['missing']} without a cost; {self.completeness['unheard']} sent and never received "
            f"(assumed: {self.assumed['note']})."
        )
        twins = self.near_duplicates
        prompts = (
            f"Near-duplicate prompts: {twins['found']} of {twins['repeats']} found, {twins['missed']} missed, "
            f"{twins['mistaken']} found that are none."
        )
        lines = [calls, cost, prompts, *([_largest(self.story)] if self.story else [])]
        return ["", *(line for each in lines for line in textwrap.wrap(each, WIDTH))]

    def _told_faults(self) -> list[str]:
        head = f"  {'fault':<14}{'requests':>9}{'calls':>8}{'well':>8}{'FAILURE':>9}{'person':>8}"
        rows = [
            f"  {each.kind:<14}{each.requests:>9}{each.calls:>8}{each.succeeded:>8}{each.failed:>9}{each.waiting:>8}"
            for each in self.faults
        ]
        return ["", "What the calls met, and how they ended", head, *rows]

    def _told_sinks(self) -> list[str]:
        names = ("routed", "delivered", "pending", "dead")
        head = f"  {'sink':<14}" + "".join(f"{name:>10}" for name in names)
        rows = [f"  {sink:<14}" + "".join(f"{told[name]:>10}" for name in names) for sink, told in self.sinks.items()]
        held = f"  the data plane holds {self.dataplane['distinct']} messages, {self.dataplane['messages']} deliveries"
        return ["", "Where the events went", head, *rows, held]

    def _told_checks(self) -> list[str]:
        held = sum(self.checks.values())
        broken = [f"  NO   {promise}" for promise, holds in self.checks.items() if not holds]
        calls = ", ".join(f"{each['call']} {each['state']}" for each in self.wrong)
        return ["", f"Promises held: {held} of {len(self.checks)}", *broken, *([f"  calls: {calls}"] if calls else [])]

    def _told_next(self) -> list[str]:
        where = [f"Report: {self.report}"] if self.report else []
        return ["", *where, "Try next", *(f"  {line}" for line in NEXT)]


def _largest(story: Mapping[str, Any]) -> str:
    return (
        f"The largest incident: {story['size']} failures, {story['kind']} ({story['why']}); rule "
        f"{', '.join(story['rules'])} planned {story['plan']}; {story['first_successes']} of "
        f"{story['first_attempts']} first tries succeeded; {story['state']}."
    )
