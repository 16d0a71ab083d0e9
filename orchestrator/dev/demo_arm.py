"""One arm of a demo: the calls of the trace, with Redrive (its stack beside the app) or with Celery's own retries."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from orchestrator.dev.demo_apps import DemoApps
from orchestrator.dev.demo_ask import Asker
from orchestrator.dev.demo_live import Live, Look
from orchestrator.dev.demo_packs import quick_packs
from orchestrator.dev.stack import Engines, Stack
from orchestrator.domain.errors import RedriveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.dev.demo_plan import DemoPlan

LOOK_SECONDS: Final = 0.5
# The longest silence: with nothing new for so long, a demo is stuck.
STALL_SECONDS: Final = 90.0


class DemoStuck(RedriveError):
    """A demo in which nothing moves any more."""


@dataclass(slots=True)
class Arm:
    """One arm in a folder. `plugin`: whether it has Redrive; `stop_dataplane` takes the data plane away for a while."""

    name: str
    folder: Path
    plan: DemoPlan
    live: Live
    plugin: bool = True
    stop_dataplane: bool = False
    engines: Engines = field(default_factory=Engines)
    stack: Stack = field(init=False)
    apps: DemoApps = field(init=False)
    ask: Asker = field(init=False)
    _away: bool = False
    _moved: tuple[float, Any] = (0.0, None)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.engines = self.engines.within(self.folder)
        journals = {"REDRIVE_JOURNAL_DIR": str(self.folder / "journal")}
        self.stack = Stack(self.folder, self.engines, packs=quick_packs(self.folder), environ=journals)
        self.apps = DemoApps(self.folder, self.engines.bus, self.plan.wish, self.plugin, self.plan.seed)
        self.ask = Asker(self.stack)

    def run(self) -> None:
        """Start everything, and wait until every call has ended and, with Redrive, every event has arrived."""
        self.live.begin(self.name)
        self.live.say("starting provider, worker and feeder" + (", and Redrive beside them" if self.plugin else ""))
        if self.plugin:
            self.stack.start()
        self.apps.start()
        self._until("every call to end", self._ended)
        if self.plugin:
            self._until("every event to arrive", self._drained)

    def stop(self) -> None:
        """Leave no process behind."""
        self.apps.stop()
        self.stack.stop()

    def look(self) -> Look:
        """See how it goes."""
        fed, provider = self.apps.fed(), self.apps.provider()
        states = fed["states"]
        look = Look(
            calls=self.plan.calls - self.plan.malformed,
            succeeded=states.get("SUCCESS", 0),
            failed=states.get("FAILURE", 0),
            refused=provider["refused"],
            up=provider["up"],
            fault=provider["fault"],
        )
        return replace(look, **self._recovery()) if self.plugin else look

    def _recovery(self) -> dict[str, Any]:
        summary = self.ask.api("/api/v1/summary")
        failures = summary["failures"]
        return {
            "captured": sum(failures.values()),
            "recovered": failures.get("recovered", 0),
            "incidents": sum(summary["incidents"].values()),
        }

    def _ended(self) -> bool:
        fed = self.apps.fed()
        succeeded, failed = (fed["states"].get(state, 0) for state in ("SUCCESS", "FAILURE"))
        self._toggle_dataplane(succeeded)
        over = succeeded + failed == self.plan.calls
        return bool(fed["all_sent"]) and over and (not self.plugin or failed == self.plan.malformed)

    def _toggle_dataplane(self, succeeded: int) -> None:
        if not self.stop_dataplane:
            return
        if not self._away and self.plan.calls // 3 <= succeeded < self.plan.calls * 2 // 3:
            self.stack.stop_dataplane()
            self._away = True
        elif self._away and succeeded >= self.plan.calls * 2 // 3:
            self.stack.start_dataplane()
            self._away = False

    def _drained(self) -> bool:
        summary = self.ask.api("/api/v1/summary")["failures"]
        if summary.get("released", 0) or summary.get("held", 0) != self.plan.malformed:
            return False
        sinks = self.ask.api("/api/v1/sinks")
        whole = sinks["warehouse"]["delivered"] >= self.plan.calls - self.plan.malformed
        if not whole or any(each["pending"] for each in sinks.values()):
            return False
        releases = [release for each in self.ask.incidents() for release in each["releases"]]
        settled = self.ask.settled()["executions"] >= len(releases)
        return settled and all(each["ended_at"] for each in releases)

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        self._moved = (time.monotonic(), None)
        while not holds():
            if self.live.due:
                self.live.show(self.look())
            self._refuse_standstill(what)
            time.sleep(LOOK_SECONDS)

    def _refuse_standstill(self, what: str) -> None:
        dead = [*self.apps.failed(), *(self.stack.dead() if self.plugin else [])]
        if dead:
            raise DemoStuck(f"expected every process to run, got an end of {', '.join(dead)}; see {self.folder}")
        provider = self.apps.provider()
        state = (self.apps.fed(), provider["served"], provider["refused"])
        since, before = self._moved
        if state != before:
            self._moved = (time.monotonic(), state)
        elif time.monotonic() - since > STALL_SECONDS:
            raise DemoStuck(
                f"expected {what}, got nothing new for {STALL_SECONDS:.0f} s; see the logs in {self.folder}"
            )
