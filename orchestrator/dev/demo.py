"""The demo: real model calls run as Celery tasks, things go wrong as a fault file says, and all is accounted for.

The sample app, its provider and its feeder are processes of their own; what is shown was asked of the running parts.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Final

from orchestrator.dev.demo_accounts import account
from orchestrator.dev.demo_arm import Arm, DemoStuck
from orchestrator.dev.demo_compare import ArmFigures, Comparison, figures
from orchestrator.dev.demo_live import Live
from orchestrator.dev.demo_plan import DemoInvalid, DemoPlan, Wish, survey
from orchestrator.dev.demo_record import Record
from orchestrator.dev.demo_report import cost_by_minute, write_report
from orchestrator.dev.stack import Engines

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.dev.demo_result import DemoResult

__all__ = ["Demo", "DemoInvalid", "DemoStuck"]

REDRIVE: Final = "Redrive"
CELERY: Final = "Celery"


@dataclass(slots=True)
class Demo:
    """One demo in one folder. `remove` deletes it at the end of a demo that did not fail; `quiet` leaves what it says
    meanwhile out.

    `compare` runs the same with Celery's own retries as well, in an order that `order_seed` draws. `report` is the
    HTML file to write.
    """

    folder: Path
    wish: Wish = field(default_factory=Wish)
    stop_dataplane: bool = False
    compare: bool = False
    report: Path | None = None
    quiet: bool = False
    remove: bool = False
    order_seed: int = 0
    engines: Engines = field(default_factory=Engines)
    live: Live = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self.live = Live(self.quiet)

    def run(self, started: float) -> DemoResult:
        """Run the demo; `started` is the monotonic time of its beginning. Leaves no process behind.

        Raises DemoInvalid before anything starts, and DemoStuck when nothing moves any more.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        failed = True
        try:
            result = self._play(survey(self.wish, self.folder), started)
            failed = not result.passed
        except (DemoInvalid, KeyboardInterrupt, SystemExit):
            failed = False
            raise
        finally:
            # What a failed one names in its error, and the logs that tell why, stay.
            if self.remove and not failed:
                shutil.rmtree(self.folder, ignore_errors=True)
        return result

    def _play(self, plan: DemoPlan, started: float) -> DemoResult:
        order = [REDRIVE, CELERY] if self.compare else [REDRIVE]
        Random(self.order_seed).shuffle(order)  # noqa: S311 - whose turn is first is no secret
        theirs = self._celery(plan) if order[0] == CELERY else None
        result, record = self._redrive(plan, time.monotonic() if theirs else started)
        try:
            theirs = self._celery(plan) if order[-1] == CELERY else theirs
            if theirs:
                ours = figures(record, plan.windows)
                result = replace(result, comparison=Comparison(ours, theirs, order, self.order_seed))
            return self._reported(result, record, plan)
        finally:
            record.close()

    def _redrive(self, plan: DemoPlan, started: float) -> tuple[DemoResult, Record]:
        arm = Arm(REDRIVE, self.folder, plan, self.live, stop_dataplane=self.stop_dataplane, engines=self.engines)
        try:
            arm.run()
            return account(arm, started)
        finally:
            arm.stop()

    def _celery(self, plan: DemoPlan) -> ArmFigures:
        arm = Arm(CELERY, self.folder / "celery", plan, self.live, plugin=False)
        try:
            arm.run()
        finally:
            arm.stop()
        record = Record.of(arm.folder, self.folder)
        try:
            return figures(record, plan.windows)
        finally:
            record.close()

    def _reported(self, result: DemoResult, record: Record, plan: DemoPlan) -> DemoResult:
        if self.report is None:
            return result
        minutes = cost_by_minute(self.engines.within(self.folder).warehouse)
        write_report(self.report, result, record, plan, minutes)
        return replace(result, report=str(self.report))
