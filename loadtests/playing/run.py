"""One run of a scenario on a bed that has started: warm-up, phases, drain, and what can be seen of it afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Final

from loadtests.bed.bed import SECONDS_PER_TOKEN
from loadtests.evidence import Backlog, Evidence, Sample
from loadtests.locust_figures import Requests, of_locust
from loadtests.playing.collecting import Places, collect, releases, settles
from loadtests.playing.conductor import Conductor, say
from loadtests.playing.draining import Standing, await_rest, standing
from loadtests.playing.sampling import BACKLOG_SECONDS, PROCESS_SECONDS, Watch, backlog, processes
from loadtests.playing.unfinished import Unfinished, with_calls
from loadtests.playing.users import Users
from loadtests.stamps import accepted_of, answered_of, asked_of, calls_of, read_lines, runs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtests.bed.bed import Bed

DATA_PLANE: Final = "dataplane.sqlite"
WORKER: Final = "worker-"
# What workers say on their way out has to arrive within this time.
STILL_SECONDS: Final = 30.0


@dataclass(slots=True)
class Run:
    """Plays the bed's scenario once. `control` times a fixed piece of work; `problems` are what keeps the run from
    being a measurement.
    """

    bed: Bed
    run_id: str
    control: Callable[[], Mapping[str, float]]
    problems: list[str] = field(default_factory=list)
    _users: Users = field(init=False)
    _conductor: Conductor = field(init=False)
    _unfinished: Unfinished = field(init=False)

    def __post_init__(self) -> None:
        scenario = self.bed.scenario
        self._users = Users(self.bed.processes, scenario, scenario.seed)
        self._conductor = Conductor(self.bed, self._users, Random(scenario.seed))
        self._unfinished = Unfinished(self.bed.front_log, self.bed.stamps)

    def play(self) -> Evidence:
        """Load it, drain it, and give what was seen; raises ProcessFailed, requests' errors and the databases'."""
        began_at, began = datetime.now(UTC), time.monotonic()
        before = self.control()
        taken, waits = self._watches()
        with taken, waits:
            self._users.start(self.bed.front, self.bed.api, self.bed.stamps)
            self._play_phases()
            self._users.stop()
            self._drain()
            waits.seen += waits.look()
        self._still()
        return self._collect(began_at, began, [before, self.control()], taken.seen, waits.seen)

    def _watches(self) -> tuple[Watch[Sample], Watch[Backlog]]:
        bed = self.bed
        taken = Watch(lambda: processes(bed.pids()), PROCESS_SECONDS)
        return taken, Watch(lambda: backlog(bed.ask, bed.waiting), BACKLOG_SECONDS)

    def _play_phases(self) -> None:
        scenario = self.bed.scenario
        self._conductor.warm_up(scenario.warm_up_seconds)
        for index, phase in enumerate(scenario.phases):
            self._conductor.play(phase, index)

    def _drain(self) -> None:
        seconds = self.bed.scenario.drain_seconds
        say(f"drain: waiting for every call to end and every event to arrive, at most {seconds:.0f} s")
        problem = await_rest(self._standing, seconds, self.bed.refuse_ended)
        if problem:
            self.problems.append(problem)

    def _still(self) -> None:
        """Stop the workers, which tell of themselves even when nobody calls, so that all books are of one moment."""
        for name in [each for each in self.bed.pids() if each.startswith(WORKER)]:
            self.bed.processes.stop(self.bed.processes.named(name))
        problem = await_rest(self._standing, STILL_SECONDS, self.bed.refuse_ended)
        if problem:
            self.problems.append(problem)

    def _standing(self) -> Standing:
        outputs = settles(self.bed.stackstorm)
        return standing(self.bed.ask, self._unfinished.count(), releases(self.bed.ask), len(outputs))

    def _collect(
        self,
        began_at: datetime,
        began: float,
        controls: Sequence[Mapping[str, float]],
        taken: Sequence[Sample],
        waits: Sequence[Backlog],
    ) -> Evidence:
        bed, urls = self.bed, self.bed.urls
        data_plane = f"sqlite:///{bed.folder / DATA_PLANE}"
        places = Places(urls.ledger, urls.eventlog, urls.warehouse, data_plane, bed.stackstorm)
        left = collect(places, bed.ask)
        calls = calls_of(read_lines(bed.front_log), SECONDS_PER_TOKEN)
        runs = runs_of(read_lines(bed.stamps))
        return Evidence(
            run_id=self.run_id,
            scenario=bed.scenario,
            began_at=began_at,
            ended_at=datetime.now(UTC),
            began=began,
            blocks=self._conductor.blocks,
            calls=calls,
            runs=runs,
            asked=asked_of(read_lines(bed.provider_log)),
            struck=self._conductor.struck,
            samples=taken,
            backlog=with_calls(waits, calls, runs),
            answered=answered_of(read_lines(self._users.answers)),
            requests=self._requests(),
            first_retry=bed.ask("/api/v1/first-retry"),
            failures=left.failures,
            releases=left.releases,
            settled=left.settled,
            sinks=bed.ask("/api/v1/sinks"),
            accepted=left.accepted,
            stored=left.stored,
            costs=left.costs,
            control=controls,
            phases=bed.scenario.phases,
            problems=self.problems,
            folder=str(bed.folder),
            attempts=left.attempts,
            settles=left.settles,
            events=left.events,
            receipts=accepted_of(read_lines(self._users.accepted)),
        )

    def _requests(self) -> list[Requests]:
        path = self._users.figures
        if not path.exists():
            self.problems.append(f"expected Locust's figures in {path}, got none; see locust.log beside it")
            return []
        return of_locust(json.loads(path.read_text()))
