"""Predictions of first retries beside what came of them, over simulated days of the fault mix of `bench first-retry`.

    python -m loadtests.inside.calibration --days N --seed N [--plan FILE]

One ledger lives through all days, each of which has a plan of its own seed. Every ten minutes an operator looks at each
open incident with failures that nobody has released: the dry run is asked, its prediction noted, and then they are
released by the same command. Some are forced past the gate, in a hurry. Prints, as JSON, one case for each failure.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from loadtests.first_retry.plan import declared, draw
from loadtests.inside.calibration_world import STEP, World
from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.errors import RedriveError
from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.prediction import together
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.bulk.previewing import Previewer

if TYPE_CHECKING:
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx

LOOK_SECONDS: Final = 600.0
# Of the looks at an incident, so many end in a release that is forced.
FORCED: Final = 0.15
NOTHING_KNOWN: Final = together([])
WAITING: Final = frozenset({FailureState.HELD, FailureState.DEAD})
MOST: Final = 10_000


@dataclass(slots=True)
class Operator:
    """Looks at incidents, asks the dry run, releases; `cases` are what was predicted, by failure."""

    world: World
    dice: Random
    cases: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def look(self) -> None:
        """Look at every open incident, and release what waits in it."""
        with self.world.ledger.reading() as tx:
            found = [each for each in tx.incidents([], MOST, None) if not each.closed]
        for incident in found:
            self._release(incident, forced=self.dice.random() < FORCED)

    def _release(self, incident: Incident, *, forced: bool) -> None:
        world = self.world
        request = RetryRequest("operator", "calibration", incident_id=incident.id, force=forced)
        with world.ledger.transaction() as tx:
            fresh = self._fresh(tx, incident)
            if not fresh:
                return
            found = Previewer(tx, world.now, policies=world.policies).preview(request)
            told = found.prediction.overall if found.prediction else NOTHING_KNOWN
            command_id = uuid5(NAMESPACE_URL, f"{incident.id}/{world.now.isoformat()}")
            try:
                command_retry(tx, request, command_id, world.now, policies=world.policies)
            except RedriveError as why:
                print(f"not released: {why}", file=sys.stderr)
                return
        case = {"predicted": told.probability, "sort": _sort(incident, forced=forced), "evidence": list(told.evidence)}
        self.cases |= {each: dict(case) for each in fresh}

    def _fresh(self, tx: LedgerTx, incident: Incident) -> list[UUID]:
        """Name the failures that wait, were never redriven, and are nobody's yet."""
        return [
            each.failure.id
            for each in tx.failures_of(incident.id, MOST)
            if each.state in WAITING and not each.attempts and each.command_release_id is None
            and each.failure.id not in self.cases
        ]  # fmt: skip

    def outcomes(self) -> list[dict[str, Any]]:
        """Tell of each case how its failure's first retry went."""
        with self.world.ledger.reading() as tx:
            for failure_id, case in self.cases.items():
                first = next(iter(tx.attempts_of(failure_id)), None)
                went = {AttemptState.SUCCEEDED: True, AttemptState.FAILED: False}
                case["succeeded"] = went.get(first.state) if first else None
        return list(self.cases.values())


def _sort(incident: Incident, *, forced: bool) -> str:
    if incident.kind in (Kind.PERMANENT, Kind.POISON):
        return "lasting"
    return "forced" if forced else "behind the gate"


def main() -> None:
    """Live through the days, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--plan", type=Path)
    given = parser.parse_args()
    dice = Random(given.seed)
    world, mix = World(dice), declared(given.plan)
    operator = Operator(world, dice)
    for day in range(given.days):
        plan = draw(mix, given.seed + day)
        world.begin(plan)
        last = max([plan.seconds, *(each.ends for each in plan.windows)]) + plan.drain_seconds
        steps = int(last * plan.scale / STEP)
        for number in range(steps):
            world.step()
            if number % int(LOOK_SECONDS / STEP) == 0:
                operator.look()
        print(f"day {day + 1}: {len(operator.cases)} failures released so far", file=sys.stderr)
    print(json.dumps({"cases": operator.outcomes()}))


if __name__ == "__main__":
    main()
