"""What workers of this host had in flight when they were killed, where no next worker of their name tells it.

A task of which the result backend says that it has succeeded is not told: its worker was killed after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from eventbus import scrub
from eventbus.journal import folder_of
from eventbus.lost import event_of
from eventbus.remains import Remains
from eventbus.wire import encode
from orchestrator.domain.results import SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from eventbus.remains import LostRun
    from orchestrator.domain.ports import Results

log = structlog.get_logger("redrive")

# Seconds for which the next worker of the same name goes first.
GRACE: Final = 5.0
AT_ONCE: Final = 100


class Journals:
    """Claims the journals of dead workers. `take_in` returns once the bus messages it is given are safe.

    `base` is the folder that holds the journals of every bus; without it, the one that workers here use by default.
    `results` is asked what has succeeded; what it cannot tell counts as lost.
    """

    def __init__(  # noqa: PLR0913 - what a part of the orchestrator is given
        self,
        base: Path | None,
        bus_url: str,
        take_in: Callable[[Sequence[bytes]], Any],
        clock: Callable[[], datetime],
        results: Results,
        *,
        grace: float = GRACE,
    ) -> None:
        self._remains = Remains(folder_of(None, bus_url, base), grace=grace)
        self._take_in = take_in
        self._clock = clock
        self._results = results

    def run_once(self) -> int:
        """Take in what is found lost now; give the number of runs. What could not be taken in is found again."""
        lost = self._remains.poll()
        try:
            for start in range(0, len(lost), AT_ONCE):
                self._settle(lost[start : start + AT_ONCE])
        except BaseException:
            self._remains.close()
            raise
        for worker in sorted({run.worker for run in lost}):
            log.info("journal.taken_in", worker=worker, runs=sum(run.worker == worker for run in lost))
        return len(lost)

    def _settle(self, batch: Sequence[LostRun]) -> None:
        succeeded = self._succeeded([run.record["task_id"] for run in batch])
        untold = [run for run in batch if run.record["task_id"] not in succeeded]
        if untold:
            self._take_in([encode([event_of(run, self._clock())]) for run in untold])
        for run in batch:
            run.told()

    def _succeeded(self, task_ids: Sequence[str]) -> set[str]:
        try:
            stored = self._results.state_of(task_ids)
        except Exception as error:  # noqa: BLE001 - whatever a backend's client raises: losses are told all the same
            log.warning("journal.results_unreachable", error=scrub.text(repr(error)))
            return set()
        return {each.task_id for each in stored.values() if each.state == SUCCESS}
