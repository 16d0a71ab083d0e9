"""The night itself: a stack, a worker, and so many tasks that failed."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from orchestrator.dev.stack import Engines
from tests.acceptance.field import Field
from tests.acceptance.night.feeding import captured, feed
from tests.acceptance.night.outage import Outage
from tests.acceptance.night.pager import Pager
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
FIRST: Final = 100_000
# The phone rings once so much of all that fails in the night has failed of one dependency.
RINGS_AT: Final = 10
# The lead is woken where nobody answers for so long; longer in a larger night, which takes longer to come in.
LEAST_SECONDS: Final = 12
WHOLE: Final = sum(SHARES.values())
PAYMENTS: Final = sum(share for task, share in SHARES.items() if task.startswith("payments."))


def shares(failures: int) -> Counter[str]:
    """Divide so many failures among the tasks."""
    assert failures % WHOLE == 0, f"expected a multiple of {WHOLE}, got {failures}"
    return Counter({task: failures // WHOLE * share for task, share in SHARES.items()})


@dataclass(slots=True)
class Night:
    """So many tasks on a field of their own, of which `fed` are told of and never ran. Both are multiples of 40.

    Where `paged`, people are woken, who keep what they are told.
    """

    folder: Path
    failures: int
    engines: Engines = field(default_factory=Engines)
    environ: dict[str, str] = field(default_factory=dict)
    per_second: int = 1000
    fed: int = 0
    paged: bool = False
    outage: Outage = field(init=False)
    ground: Field = field(init=False)
    truth: Truth = field(init=False)
    pager: Pager = field(init=False)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Start all of it."""
        with ExitStack() as opened:
            self.outage = opened.enter_context(Outage(self.folder))
            self.pager = opened.enter_context(Pager(self.failures // RINGS_AT, max(LEAST_SECONDS, self.failures // 80)))
            self.truth = Truth(self.folder / "runs.txt")
            self.ground = Field(self.folder, self.engines, environ=self._environ(), app="tests.acceptance.night.app")
            opened.callback(self.ground.stop)
            self.ground.start()
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _environ(self) -> dict[str, str]:
        woken = {"REDRIVE_ALERTS": self.pager.settings()} if self.paged else {}
        return {"REDRIVE_DEPENDENCIES": self.outage.settings(self.per_second), **woken, **self.environ}

    @property
    def paying(self) -> int:
        """How many of them lean on payments-api."""
        return self.failures // WHOLE * PAYMENTS

    def break_out(self, seconds: float) -> None:
        """Let tasks run and fail, tell of the others, and wait until each failure is in the ledger."""
        ran = self._sent(self.failures - self.fed, FIRST)
        self.ground.until("every task to fail", lambda: len(self.truth.read().first) >= ran, seconds)
        self.ground.until("every failure to be known", lambda: self.known() >= ran, seconds)
        if self.fed:
            stack = self.ground.stack.engines
            feed(stack.bus, self.folder / "feed", captured(stack.eventlog), shares(self.fed), FIRST + ran)
            self.ground.until("every failure to be known", lambda: self.known() >= self.failures, seconds)

    def _sent(self, many: int, first: int) -> int:
        """Enqueue so many tasks, of all kinds from the beginning on; gives their number."""
        names = [*Counter(SHARES).elements()] * (many // WHOLE)
        for number, task in enumerate(names, first):
            self.ground.sender.send_task(task, [number], ignore_result=True)
        return many

    def known(self) -> int:
        """Count the failures that the ledger has, by what its incidents say: nobody has to count 40,000 rows."""
        return sum(each["size"] for each in self.ground.ask("/api/v1/incidents")["incidents"])

    def recovered_by_tasks(self) -> int:
        """Count the tasks of payments-api that have gone well, as they say themselves."""
        return self.truth.read().succeeded_of("payments.")

    def bring_back(self, name: str) -> None:
        """Bring a dependency back, and wait until that was seen."""
        self.outage.end(name)
        self.ground.until(f"{name} to be seen again", lambda: self._health(name) != "down", 300)

    def _health(self, name: str) -> str:
        found: str = self.ground.ask(f"/api/v1/dependencies/{name}")["health"]
        return found

    def told_duplicates(self) -> int:
        """Ask how many runs were one too many, by what the orchestrator counted."""
        told: int = self.ground.ask("/api/v1/first-retry")["duplicates"]
        return told
