"""One run of a scenario on a bed that has started: warm-up, phases, drain, and what can be seen of it afterwards."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Final

from loadtests.bed.bed import SECONDS_PER_TOKEN
from loadtests.control import tick
from loadtests.evidence import Backlog, Evidence, Sample
from loadtests.knee import playing as knee
from loadtests.locust_figures import Requests, of_locust
from loadtests.playing.collecting import Places, collect, releases, settles
from loadtests.playing.conductor import Conductor, say
from loadtests.playing.draining import Standing, await_done, await_rest, standing
from loadtests.playing.sampling import BACKLOG_SECONDS, PROCESS_SECONDS, Watch, backlog, machine, processes
from loadtests.playing.traces import untraced
from loadtests.playing.unfinished import Unfinished, with_calls
from loadtests.playing.users import Users
from loadtests.profiling import Profile
from loadtests.stamps import accepted_of, answered_of, asked_of, calls_of, read_lines, runs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from loadtests.bed.bed import Bed
    from loadtests.scenarios.scenario import Phase

DATA_PLANE: Final = "dataplane.sqlite"
WORKER: Final = "worker-"
PROFILED: Final = ("orchestrator", "worker-on")


@dataclass(slots=True)
class Run:
    """Plays the bed's scenario once. `control` times a fixed piece of work; `problems` are what keeps the run from
    being a measurement. With a folder to draw them in, `profile` holds flame graphs of the phases afterwards.
    """

    bed: Bed
    run_id: str
    control: Callable[[], Mapping[str, float]]
    problems: list[str] = field(default_factory=list)
    profile_in: Path | None = None
    profile: Profile | None = None
    _users: Users = field(init=False)
    _conductor: Conductor = field(init=False)
    _unfinished: Unfinished = field(init=False)
    _taken: Watch[Sample] = field(init=False)
    _waits: Watch[Backlog] = field(init=False)
    _ticks: Watch[Mapping[str, float]] = field(init=False)
    _began_at: datetime = field(init=False)
    _began: float = field(init=False)
    _phases: list[Phase] = field(default_factory=list)

    def __post_init__(self) -> None:
        bed, scenario = self.bed, self.bed.scenario
        self._users = Users(self.bed.processes, scenario, scenario.seed)
        self._conductor = Conductor(self.bed, self._users, Random(scenario.seed))
        self._unfinished = Unfinished(bed.front_log, bed.stamps, bed.state_of)
        self._taken = Watch(lambda: [*processes(bed.pids()), machine()], PROCESS_SECONDS)
        self._waits = Watch(lambda: backlog(bed.ask, bed.waiting), BACKLOG_SECONDS)
        self._ticks = Watch(lambda: [tick()], PROCESS_SECONDS)

    def play(self) -> Evidence:
        """Load it, drain it, and give what was seen; raises ProcessFailed, requests' errors and the databases'."""
        self._began_at, self._began = datetime.now(UTC), time.monotonic()
        before = self.control()
        with self._taken, self._waits, self._ticks:
            self._users.start(self.bed.front, self.bed.api, self.bed.stamps)
            with self._profiled():
                self._play_phases()
            if problem := self._users.stop():
                self.problems.append(problem)
            self._drain()
        self.problems += [each.problem for each in (self._taken, self._waits, self._ticks) if each.problem]
        self._still()
        self._waits.seen += self._waits.look()
        if problem := untraced(self._phases, self.bed.otlp):
            self.problems.append(problem)
        return self._collect([before, *self._ticks.seen, self.control()])

    def _profiled(self) -> AbstractContextManager[object]:
        if self.profile_in is None:
            return nullcontext()
        pids = self.bed.pids()
        self.profile = Profile(self.profile_in, {name: pids[name] for name in PROFILED})
        return self.profile

    def _play_phases(self) -> None:
        self._conductor.warm_up(self.bed.scenario.warm_up_seconds)
        for phase in self._chosen():
            self._phases.append(phase)
            self._conductor.play(phase, len(self._phases) - 1)

    def _chosen(self) -> Iterable[Phase]:
        """Give the scenario's phases; with a search, each step when the one before has been seen."""
        scenario = self.bed.scenario
        if scenario.search is None:
            return scenario.phases
        return knee.phases(scenario, scenario.search, self._after_step, say)

    def _after_step(self) -> Evidence:
        """Let what a step left behind be worked off, and give what was seen so far."""
        self._users.set_load({"rate": 0.0, "telemetry_rate": 0.0})
        problem = await_rest(self._standing, self.bed.scenario.drain_seconds, self.bed.refuse_ended)
        say(f"  not at rest: {problem}" if problem else "  at rest")
        self._waits.seen += self._waits.look()
        return self._seen()

    def _drain(self) -> None:
        seconds = self.bed.scenario.drain_seconds
        say(f"drain: waiting for every call to end and come back, then for every event, at most {seconds:.0f} s each")
        problem = await_done(self._standing, seconds, self.bed.refuse_ended)
        if problem:
            self.problems.append(problem)

    def _still(self) -> None:
        """Stop the workers, which tell of themselves even when nobody calls, so that all books are of one moment."""
        for name in [each for each in self.bed.pids() if each.startswith(WORKER)]:
            self.bed.processes.stop(self.bed.processes.named(name))
        problem = await_rest(self._standing, self.bed.scenario.drain_seconds, self.bed.refuse_ended)
        if problem:
            self.problems.append(problem)

    def _standing(self) -> Standing:
        outputs = settles(self.bed.stackstorm)
        return standing(self.bed.ask, self._unfinished.count(), releases(self.bed.ask), len(outputs))

    def _seen(self) -> Evidence:
        """Give what memory and files hold of the run; what the servers are asked for at its end is empty."""
        bed = self.bed
        calls = calls_of(read_lines(bed.front_log), SECONDS_PER_TOKEN)
        runs = runs_of(read_lines(bed.stamps))
        return Evidence(
            run_id=self.run_id,
            scenario=bed.scenario,
            began_at=self._began_at,
            ended_at=datetime.now(UTC),
            began=self._began,
            blocks=list(self._conductor.blocks),
            calls=calls,
            runs=runs,
            asked=asked_of(read_lines(bed.provider_log)),
            struck=list(self._conductor.struck),
            samples=list(self._taken.seen),
            backlog=with_calls(
                sorted(self._waits.seen, key=lambda each: each.at), calls, runs, self._unfinished.results
            ),
            answered=answered_of(read_lines(self._users.answers)),
            phases=tuple(self._phases),
            problems=self.problems,
            folder=str(bed.folder),
        )

    def _collect(self, controls: Sequence[Mapping[str, float]]) -> Evidence:
        bed, urls = self.bed, self.bed.urls
        data_plane = f"sqlite:///{bed.folder / DATA_PLANE}"
        left = collect(Places(urls.ledger, urls.eventlog, urls.warehouse, data_plane, bed.stackstorm), bed.ask)
        return replace(
            self._seen(),
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
            attempts=left.attempts,
            settles=left.settles,
            events=left.events,
            results=self._unfinished.results,
            receipts=accepted_of(read_lines(self._users.accepted)),
        )

    def _requests(self) -> list[Requests]:
        path = self._users.figures
        if not path.exists():
            self.problems.append(f"expected Locust's figures in {path}, got none; see locust.log beside it")
            return []
        return of_locust(json.loads(path.read_text()))
