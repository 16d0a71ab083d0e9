"""The night itself: a stack, a worker, and so many tasks that failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from orchestrator.dev.stack import Engines
from tests.acceptance.field import Field
from tests.acceptance.night.outage import Outage
from tests.acceptance.night.truth import Truth

if TYPE_CHECKING:
    from pathlib import Path

# Of 40 tasks: how many of each name fail.
SHARES: Final = {
    "payments.charge": 12,
    "payments.capture": 8,
    "payments.refund": 6,
    "texts.summarise": 9,
    "texts.classify": 5,
}
WHOLE: Final = sum(SHARES.values())
PAYMENTS: Final = sum(share for task, share in SHARES.items() if task.startswith("payments."))


@dataclass(slots=True)
class Night:
    """So many tasks on a field of their own. `failures` is a multiple of 40."""

    folder: Path
    failures: int
    engines: Engines = field(default_factory=Engines)
    environ: dict[str, str] = field(default_factory=dict)
    per_second: int = 1000
    outage: Outage = field(init=False)
    ground: Field = field(init=False)
    truth: Truth = field(init=False)

    def __enter__(self) -> Self:
        """Start all of it."""
        assert self.failures % WHOLE == 0, f"expected a multiple of {WHOLE}, got {self.failures}"
        self.outage = Outage(self.folder).__enter__()
        self.truth = Truth(self.folder / "runs.txt")
        environ = {"REDRIVE_DEPENDENCIES": self.outage.settings(self.per_second), **self.environ}
        self.ground = Field(self.folder, self.engines, environ=environ, app="tests.acceptance.night.app")
        try:
            self.ground.start()
        except BaseException:
            self.outage.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.ground.stop()
        self.outage.__exit__()

    @property
    def paying(self) -> int:
        """How many of them lean on payments-api."""
        return self.failures // WHOLE * PAYMENTS

    def break_out(self, seconds: float) -> None:
        """Let every task run and fail, and wait until each failure is in the ledger."""
        numbers = iter(range(100_000, 100_000 + self.failures))
        for task, share in SHARES.items():
            for _ in range(self.failures // WHOLE * share):
                self.ground.sender.send_task(task, [next(numbers)], ignore_result=True)
        self.ground.until("every task to fail", lambda: len(self.truth.read().first) >= self.failures, seconds)
        self.ground.until("every failure to be known", lambda: self.known() >= self.failures, seconds)

    def known(self) -> int:
        """Count the failures that the ledger has."""
        return sum(self.ground.ask("/api/v1/summary")["failures"].values())

    def recovered_by_tasks(self) -> int:
        """Count the tasks of payments-api that have gone well, as they say themselves."""
        return self.truth.read().succeeded_of("payments.")

    def bring_back(self, name: str) -> None:
        """Bring a dependency back, and wait until that was seen."""
        self.outage.end(name)
        self.ground.until(f"{name} to be seen again", lambda: self._health(name) != "down", 60)

    def _health(self, name: str) -> str:
        found: str = self.ground.ask(f"/api/v1/dependencies/{name}")["health"]
        return found

    def told_duplicates(self) -> int:
        """Ask how many runs were one too many, by what the orchestrator counted."""
        told: int = self.ground.ask("/api/v1/first-retry")["duplicates"]
        return told
