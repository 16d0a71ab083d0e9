"""Predicting: how first retries would go, for each group of what would be released now, and for all together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestrator.domain.health import aged
from orchestrator.domain.prediction import Circumstances, Group, Model, Prediction, predict, together

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.domain.dependencies import Dependency, Policies
    from orchestrator.domain.failures import Kind
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx


@dataclass(frozen=True, slots=True)
class Predicted:
    """The predictions of groups, in the order in which they were asked for, and what they come to."""

    groups: tuple[tuple[Group, Prediction], ...]
    overall: Prediction

    def view(self) -> dict[str, Any]:
        """Give it as the dry run's answer shows it."""
        shown = [_shown(made) | _named(group) for group, made in self.groups]
        return _shown(self.overall) | {"groups": shown}


@dataclass(frozen=True, slots=True)
class Predictor:
    """Predicts within one transaction that reads."""

    tx: LedgerTx
    policies: Policies
    now: datetime
    model: Model = field(default_factory=Model)

    def predict(self, going: Sequence[tuple[Incident, int]], *, forced: bool = False) -> Predicted:
        """Predict for so many failures of each of these incidents; `forced`: they go past the gate."""
        groups = self._groups(going)
        since = self.now - timedelta(seconds=self.model.horizon)
        tried = self.tx.tried([each.signature for each in groups], since) if groups else []
        known = {name: self._dependency(name) for name in {each.dependency for each in groups if each.dependency}}
        made = [
            (each, predict(each, tried, Circumstances(self.now, known.get(each.dependency or ""), forced), self.model))
            for each in groups
        ]
        return Predicted(tuple(made), together([each for _, each in made]))

    def _groups(self, going: Sequence[tuple[Incident, int]]) -> list[Group]:
        again = self.tx.redriven_before([incident.id for incident, _ in going]) if going else {}
        counted: Counter[tuple[str, str | None, Kind]] = Counter()
        before: Counter[tuple[str, str | None, Kind]] = Counter()
        for incident, count in going:
            looks = (incident.signature, incident.dependency, incident.kind)
            counted[looks] += count
            before[looks] += min(again.get(incident.id, 0), count)
        return [
            Group(signature, dependency, kind, count, before[signature, dependency, kind])
            for (signature, dependency, kind), count in counted.items()
        ]

    def _dependency(self, name: str) -> Dependency | None:
        found = self.tx.dependency(name)
        return aged(found, self.now, self.policies.of(name)) if found else None


def _shown(made: Prediction) -> dict[str, Any]:
    numbers = {"probability": made.probability, "low": made.low, "high": made.high}
    rounded = {name: None if value is None else round(value, 3) for name, value in numbers.items()}
    return {"enough": made.enough, **rounded, "says": made.says, "evidence": list(made.evidence)}


def _named(group: Group) -> dict[str, Any]:
    return {
        "signature": group.signature,
        "dependency": group.dependency,
        "kind": str(group.kind),
        "failures": group.failures,
    }
