"""The demo: real model calls run as Celery tasks, their provider goes away and comes back, all is accounted for.

The sample app, its provider and its feeder are processes of their own; what is shown was asked of the running parts.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import requests

from orchestrator.dev.demo_accounts import account
from orchestrator.dev.demo_apps import DemoApps
from orchestrator.dev.stack import Engines, Stack
from orchestrator.domain.errors import RedriveError
from orchestrator.warehouse.queries import cost_by_model
from orchestrator.warehouse.schema import STORE as WAREHOUSE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Engine

    from orchestrator.dev.demo_result import DemoResult

LOOK_SECONDS: Final = 0.25
PLAIN_SECONDS: Final = 2.0
DOWN_AT_LEAST: Final = 3.0
SETTLE_SECONDS: Final = 45.0
CALL_SECONDS: Final = 10.0


class DemoStuck(RedriveError):
    """A demo that did not come to its end in time."""


@dataclass(slots=True)
class Demo:
    """One demo in one folder. `remove` deletes the folder at the end; `quiet` leaves the live line out."""

    folder: Path
    calls: int
    stop_dataplane: bool = False
    quiet: bool = False
    remove: bool = False
    engines: Engines = field(default_factory=Engines)
    stack: Stack = field(init=False)
    warehouse: Engine = field(init=False)
    apps: DemoApps = field(init=False)
    _shown: float = 0.0

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        engines = self.engines.within(self.folder)
        self.stack = Stack(self.folder, engines)
        self.apps = DemoApps(self.folder, engines.bus, self.calls)
        self.warehouse = WAREHOUSE.open(engines.warehouse)

    def run(self, started: float) -> DemoResult:
        """Run the demo; `started` is the monotonic time of its beginning. Leaves no process behind."""
        try:
            return self._play(started)
        finally:
            self.apps.stop()
            self.stack.stop()
            self.warehouse.dispose()
            if self.remove:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _play(self, started: float) -> DemoResult:
        self._say("starting bus, orchestrator, StackStorm, data plane, provider, worker")
        self.stack.start()
        self.apps.start()
        self._until("a quarter of the calls", lambda: self.apps.served() >= self.calls // 4)
        self._break_provider()
        self._until("every call to succeed", self._all_succeeded, seconds=90)
        self._until("every event to arrive", self._drained, seconds=SETTLE_SECONDS)
        return account(self, time.monotonic() - started)

    def _break_provider(self) -> None:
        """Take the provider away for some seconds, and until at least an eighth of the calls have failed."""
        self.apps.switch(up=False)
        since = time.monotonic()
        wanted = max(100, self.calls // 8)
        self._until("calls to fail", lambda: self._failed() >= wanted)
        if self.stop_dataplane:
            self.stack.stop_dataplane()
        self._until("the outage", lambda: time.monotonic() - since > DOWN_AT_LEAST)
        self.apps.switch(up=True)
        if self.stop_dataplane:
            self._until("two thirds of the calls", lambda: self.apps.succeeded() >= self.calls * 2 // 3)
            self.stack.start_dataplane()

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the orchestrator's API."""
        answer = requests.get(f"{self.stack.api_url}{path}", timeout=CALL_SECONDS)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    def _failed(self) -> int:
        return int(sum(self.ask("/api/v1/summary")["failures"].values()))

    def _all_succeeded(self) -> bool:
        return self.apps.succeeded() == self.calls

    def _drained(self) -> bool:
        sinks = self.ask("/api/v1/sinks")
        summary = self.ask("/api/v1/summary")
        still = summary["failures"].get("held", 0) + summary["failures"].get("released", 0)
        ended = all(each["ended_at"] for one in self.incidents() for each in one["releases"])
        settled = self.settled()["executions"] >= sum(len(one["releases"]) for one in self.incidents())
        whole = sinks["warehouse"]["delivered"] >= self.calls
        return not still and ended and settled and whole and all(each["pending"] == 0 for each in sinks.values())

    def incidents(self) -> list[dict[str, Any]]:
        """Give every incident whole."""
        found = self.ask("/api/v1/incidents?limit=1000")["incidents"]
        return [self.ask(f"/api/v1/incidents/{each['id']}") for each in found]

    def settled(self) -> dict[str, int]:
        """Add up the outputs of every `settle` execution, as StackStorm has them."""
        url = f"{self.stack.stackstorm_url}/v1/executions"
        wanted = {"action": "redrive.settle", "limit": "100"}
        found = requests.get(url, params=wanted, timeout=CALL_SECONDS).json()
        outputs = [each.get("result", {}).get("output") or {} for each in found if each.get("end_timestamp")]
        return {
            "executions": len(outputs),
            "first_attempts": sum(int(each.get("first_attempts", 0)) for each in outputs),
            "first_successes": sum(int(each.get("first_successes", 0)) for each in outputs),
        }

    def _until(self, what: str, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            self._show()
            if time.monotonic() > deadline:
                raise DemoStuck(f"expected {what} within {seconds:.0f} s; see the logs in {self.stack.folder}")
            self._refuse_the_dead()
            time.sleep(LOOK_SECONDS)

    def _refuse_the_dead(self) -> None:
        dead = [*self.apps.failed(), *self.stack.dead()]
        if dead:
            raise DemoStuck(f"expected every process to run, got an end of {', '.join(dead)}; see {self.stack.folder}")

    def _show(self) -> None:
        """Show one line: calls, failures, incidents, recovered, cost, events per sink."""
        pause = LOOK_SECONDS if sys.stderr.isatty() else PLAIN_SECONDS
        if self.quiet or time.monotonic() - self._shown < pause:
            return
        self._shown = time.monotonic()
        summary = self.ask("/api/v1/summary")
        failures, sinks = summary["failures"], self.ask("/api/v1/sinks")
        delivered = "  ".join(f"{name} {counts['delivered']}/{counts['routed']}" for name, counts in sinks.items())
        self._say(
            f"calls {self.apps.served()}/{self.calls}  failed {sum(failures.values())}  "
            f"incidents {sum(summary['incidents'].values())}  recovered {failures.get('recovered', 0)}  "
            f"{self._cost():.2f} USD  {delivered}"
        )

    def _cost(self) -> Decimal:
        return sum((each.usd_cost for each in cost_by_model(self.warehouse)), Decimal(0))

    def _say(self, line: str) -> None:
        if self.quiet:
            return
        live = sys.stderr.isatty()
        print(f"\r\033[K{line}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)
