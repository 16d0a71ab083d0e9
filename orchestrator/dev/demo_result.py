"""What a demo ends with: the story of its largest incident, the costs, each sink's counts, and whether it all held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The figures of one demo; money is USD. `checks` maps each promise to whether it held."""

    calls: int
    succeeded: int
    failed: int
    incidents: int
    recovered: int
    cost_usd: Decimal
    seconds: float
    sinks: Mapping[str, Mapping[str, Any]]
    costs: Mapping[str, Decimal]
    first_retry: Mapping[str, int]
    settled: Mapping[str, int]
    story: Mapping[str, Any]
    dataplane: Mapping[str, int]
    assumed: Mapping[str, Any]
    checks: Mapping[str, bool] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Tell whether every promise held."""
        return all(self.checks.values())

    def as_data(self) -> dict[str, Any]:
        """Give the result as JSON-ready data; keys only ever get added."""
        return {
            "calls": self.calls,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "incidents": self.incidents,
            "recovered": self.recovered,
            "cost_usd": str(self.cost_usd),
            "seconds": round(self.seconds, 1),
            "sinks": {name: dict(counts) for name, counts in self.sinks.items()},
            "costs": {model: str(usd) for model, usd in self.costs.items()},
            "first_retry": dict(self.first_retry),
            "settled": dict(self.settled),
            "story": dict(self.story),
            "dataplane": dict(self.dataplane),
            "assumed": dict(self.assumed),
            "checks": dict(self.checks),
            "passed": self.passed,
        }

    def as_text(self) -> str:
        """Tell the same on one screen."""
        return "\n".join([*self._told_story(), *self._told_costs(), *self._told_sinks(), *self._told_checks()])

    def _told_story(self) -> list[str]:
        story = self.story
        return [
            "",
            f"{self.calls} calls in {self.seconds:.0f} s: {self.failed} failed, {self.recovered} recovered",
            f"{self.incidents} incidents",
            "",
            "The largest incident",
            f"  {story['id']}  {story['size']} failures, {story['kind']}: {story['why']}",
            f"  rule       {', '.join(story['rules'])}",
            f"  execution  {', '.join(story['executions'])}",
            f"  plan       {story['plan']}: {story['plan_reason']}",
            f"  attempts   {story['attempts']}, of {story['first_attempts']} failures",
            f"  first try  {story['first_successes']} of {story['first_attempts']} succeeded",
            f"  outcome    {story['state']}",
            "",
            "First-retry success",
            f"  ledger      {self.first_retry['first_successes']} of {self.first_retry['first_attempts']}",
            f"  StackStorm  {self.settled['first_successes']} of {self.settled['first_attempts']} (settle, summed)",
            f"  never released {self.first_retry['never_released']}, duplicate runs {self.first_retry['duplicates']}",
        ]

    def _told_costs(self) -> list[str]:
        lines = [f"  {model:<24} {usd:>14.6f} USD" for model, usd in self.costs.items()]
        return ["", f"Cost by model (assumed: {self.assumed['note']})", *lines]

    def _told_sinks(self) -> list[str]:
        names = ("accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead")
        head = f"  {'sink':<12}" + "".join(f"{name:>13}" for name in names)
        rows = [
            f"  {sink:<12}" + "".join(f"{counts[name]:>13}" for name in names) for sink, counts in self.sinks.items()
        ]
        held = f"  the data plane holds {self.dataplane['distinct']} messages, {self.dataplane['messages']} deliveries"
        return ["", "Each sink's counts", head, *rows, held]

    def _told_checks(self) -> list[str]:
        lines = [f"  {'yes' if held else 'NO '}  {promise}" for promise, held in self.checks.items()]
        return ["", "Did it hold?", *lines]
