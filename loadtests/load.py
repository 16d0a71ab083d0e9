"""One load test: both arms take turns under load, the provider goes away in the middle, and all is accounted for."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import loadtests
from loadtests.locust_figures import Requests, of_locust
from loadtests.overhead import FirstRetries, Overhead, overhead_in_turns
from loadtests.result import LoadResult
from loadtests.testbed import SECONDS_PER_TOKEN, Testbed
from loadtests.timings import SETTLE_SECONDS, SPANS, Run, first_runs, measured, paired
from loadtests.turns import Arm, Turn, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtests.processes import Process

WARM_UP_SECONDS: Final = 2.0
LONGEST_OUTAGE: Final = 5.0
SHORTEST_OUTAGE: Final = 2.0
RECOVERY_SECONDS: Final = 30.0
DRAIN_SECONDS: Final = 45.0
LOOK_SECONDS: Final = 0.25
OPEN: Final = ("held", "released")


@dataclass(slots=True)
class LoadRun:
    """One run. `seconds` is how long the arms take turns; warm-up, outage and recovery come on top, each bounded."""

    bed: Testbed
    seconds: float
    users: int
    seed: int
    problems: list[str] = field(default_factory=list)
    outage_seconds: float = 0.0
    recovery_seconds: float = 0.0

    def play(self) -> LoadResult:
        """Start everything, load it, and give the figures; raises ProcessFailed and requests' errors."""
        self._say("starting redrive dev, provider, front and two workers")
        dice = Random(self.seed)
        turns = take_turns(self.seconds, dice)
        half = len(turns) // 2
        self.bed.start()
        locust = self._start_locust()
        self._take([Turn("warm-up", arm, WARM_UP_SECONDS) for arm in Arm])
        self._take(turns[:half])
        self._break_provider()
        self._take(turns[half:])
        self.bed.processes.stop(locust)
        self._await("every call to end and every failure to recover", self._drained, DRAIN_SECONDS)
        return self._account(turns, dice)

    def _start_locust(self) -> Process:
        file = str(Path(loadtests.__file__).with_name("locustfile.py"))
        command = ["-m", "locust", "-f", file, "--headless", "--only-summary", "--exit-code-on-error", "0"]
        command += ["--host", self.bed.front, "--api-url", self.bed.api, "--load-seed", str(self.seed)]
        command += ["--users", str(self.users + 1), "--spawn-rate", str(self.users + 1)]
        command += ["--parent-pid", str(os.getpid()), "--json-file", str(self.bed.folder / "locust")]
        return self.bed.processes.start("locust", command)

    def _take(self, turns: Sequence[Turn]) -> None:
        for turn in turns:
            self._say(f"{turn.block}: plugin {turn.arm}, {turn.seconds:.1f} s")
            self.bed.use(turn.arm, turn.block)
            self.bed.processes.refuse_ended()
            time.sleep(turn.seconds)

    def _break_provider(self) -> None:
        """Take the provider away while the plugin's worker has the calls, and wait until all has recovered."""
        self.outage_seconds = min(LONGEST_OUTAGE, max(SHORTEST_OUTAGE, self.seconds / 10))
        self._say(f"outage: the provider is down for {self.outage_seconds:.1f} s")
        self.bed.use(Arm.ON, "outage")
        # What the other worker still has ends well: it has nobody who would bring it back.
        time.sleep(SETTLE_SECONDS)
        self.bed.switch_provider(up=False)
        time.sleep(self.outage_seconds)
        self.bed.switch_provider(up=True)
        back = time.monotonic()
        self.bed.use(Arm.ON, "recovery")
        self._await("every failure to recover before the turns go on", self._recovered, RECOVERY_SECONDS)
        self.recovery_seconds = time.monotonic() - back

    def _recovered(self) -> bool:
        failures = self.bed.failures()
        return failures.get("recovered", 0) > 0 and not any(failures.get(state) for state in OPEN)

    def _drained(self) -> bool:
        releases = self.bed.releases()
        ended = all(release["ended_at"] for release in releases)
        done = all(run.ended is not None for run in self._runs())
        return self._recovered() and ended and done and self.bed.settled().executions >= len(releases)

    def _runs(self) -> list[Run]:
        written = self.bed.stamps.read_text() if self.bed.stamps.exists() else ""
        # A line that is being written now is read the next time.
        stamps = written[: written.rfind("\n") + 1].splitlines()
        return first_runs(self.bed.calls(), stamps, SECONDS_PER_TOKEN)

    def _await(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        self._say(f"waiting for {what}")
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                self.problems.append(f"expected {what} within {seconds:.0f} s, got failures {self.bed.failures()}")
                return
            self.bed.processes.refuse_ended()
            time.sleep(LOOK_SECONDS)

    def _account(self, turns: Sequence[Turn], dice: Random) -> LoadResult:
        runs = self._runs()
        taken = measured(runs, turns)
        first = self.bed.ask("/api/v1/first-retry")
        return LoadResult(
            seed=self.seed,
            seconds=self.seconds,
            users=self.users,
            turns=turns,
            outage_seconds=self.outage_seconds,
            recovery_seconds=self.recovery_seconds,
            runs=runs,
            measured_runs=taken,
            overheads={span: self._overhead(span, paired(taken, turns, span), dice) for span in SPANS},
            first_retries=FirstRetries(first["first_successes"], first["first_attempts"]),
            beside={name: first[name] for name in ("first_in_flight", "never_released", "duplicates")},
            settled=self.bed.settled(),
            requests=self._requests(),
            problems=self.problems,
        )

    def _overhead(self, span: str, pairs: list[tuple[list[float], list[float]]], dice: Random) -> Overhead | None:
        try:
            return overhead_in_turns(pairs, dice)
        except ValueError as error:
            self.problems.append(f"overhead {SPANS[span]}: {error}")
            return None

    def _requests(self) -> list[Requests]:
        path = self.bed.folder / "locust.json"
        if not path.exists():
            self.problems.append(f"expected Locust's figures in {path}, got none; see locust.log beside it")
            return []
        return of_locust(json.loads(path.read_text()))

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
