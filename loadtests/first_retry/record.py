"""What a contestant's worker and provider noted, and what is told from it of each call that failed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadtests.first_retry.plan import RECOVERABLE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from loadtests.first_retry.plan import Plan

FIRST: Final = "-"
BEGAN, SUCCEEDED, FAILED, KILLED = "began", "succeeded", "failed", "killed"


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the worker's record: unix time, call, run, and what happened to the run."""

    at: float
    number: int
    run: str
    what: str


@dataclass(frozen=True, slots=True)
class Request:
    """A line of the provider's log; `number` is None for a probe, `trouble` for a time without any."""

    at: float
    number: int | None
    dependency: str
    run: str
    status: int
    trouble: Kind | None


@dataclass(slots=True)
class Run:
    """One run of a call; without an `outcome` it has not ended."""

    run: str
    began: float
    outcome: str | None = None
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """A call whose first run failed. `back_at` is when its trouble was over, None where it never is.

    `kind` is unexplained where the provider's log has no trouble for it.
    `first_retry` is the first run after that: None where it was never released.
    """

    number: int
    kind: Kind
    failed_at: float
    back_at: float | None
    first_retry: Run | None
    succeeded_at: float | None

    @property
    def recoverable(self) -> bool:
        """Tell whether it succeeds once its dependency is back."""
        return self.kind in RECOVERABLE

    @property
    def first_succeeded(self) -> bool:
        """Tell whether its first retry succeeded."""
        return self.first_retry is not None and self.first_retry.outcome == SUCCEEDED

    @property
    def wait(self) -> float | None:
        """Give the seconds of the run between the end of its trouble and its success."""
        if self.succeeded_at is None or self.back_at is None:
            return None
        return max(0.0, self.succeeded_at - self.back_at)


@dataclass(slots=True)
class Record:
    """Both records of one contestant; `zero` is the unix time at which the plan began."""

    plan: Plan
    zero: float
    steps: Sequence[Step]
    requests: Sequence[Request]
    runs: dict[int, list[Run]] = field(init=False)

    def __post_init__(self) -> None:
        self.runs = runs_of(self.steps)

    def failed(self) -> list[Failed]:
        """Tell of every call whose first run failed."""
        met = {each.number: each for each in self.requests if each.run == FIRST and each.number is not None}
        found = []
        for number, runs in self.runs.items():
            first = runs[0]
            if first.run == FIRST and first.outcome in {FAILED, KILLED}:
                kind = self.plan.calls[number].kind or (met[number].trouble if number in met else None)
                found.append(self._failed(number, kind or Kind.UNEXPLAINED, first, runs[1:]))
        return found

    def _failed(self, number: int, kind: Kind, first: Run, retries: Sequence[Run]) -> Failed:
        succeeded = [each.ended for each in retries if each.outcome == SUCCEEDED]
        back_at = self._back_at(number, kind, first)
        return Failed(number, kind, first.ended, back_at, retries[0] if retries else None, min(succeeded, default=None))

    def _back_at(self, number: int, kind: Kind, first: Run) -> float | None:
        call = self.plan.calls[number]
        if kind not in RECOVERABLE:
            return None
        if kind is Kind.DEADLOCK:
            return first.ended + call.lock
        # The clock of the provider began the answer a little before the run's end and after its beginning.
        at = first.began - self.zero
        window = self.plan.window(call.dependency, at) or self.plan.window(call.dependency, first.ended - self.zero)
        return self.zero + window.ends if window else first.ended

    def waits_for(self) -> list[int]:
        """Name the recoverable calls that have failed and not succeeded."""
        return [each.number for each in self.failed() if each.recoverable and each.succeeded_at is None]

    def twice(self) -> dict[int, int]:
        """Count, for each call, the runs that succeeded after one had."""
        counted = {number: sum(each.outcome == SUCCEEDED for each in runs) for number, runs in self.runs.items()}
        return {number: count - 1 for number, count in counted.items() if count > 1}

    def disagreements(self) -> list[str]:
        """Hold the worker's record against the provider's log: each run that has ended and was not killed asked once.

        One that is under way when both are read may have asked, or not yet.
        """
        asked = Counter((each.number, each.run) for each in self.requests if each.number is not None)
        ended = Counter((number, each.run) for number, runs in self.runs.items() for each in runs if _asked(each))
        open_ = Counter((number, each.run) for number, runs in self.runs.items() for each in runs if not each.outcome)
        return sorted(
            f"call {number} run {run}: provider {asked[number, run]}, worker {ended[number, run]}"
            for number, run in {*asked, *ended}
            if not 0 <= asked[number, run] - ended[number, run] <= open_[number, run]
        )


def _asked(run: Run) -> bool:
    return run.outcome in {SUCCEEDED, FAILED}


def runs_of(steps: Iterable[Step]) -> dict[int, list[Run]]:
    """Put the steps of each call together, its runs in the order in which they began."""
    found: defaultdict[int, list[Run]] = defaultdict(list)
    for step in sorted(steps, key=lambda each: each.at):
        runs = found[step.number]
        if step.what == BEGAN:
            runs.append(Run(step.run, step.at))
            continue
        open_run = next((each for each in runs if each.run == step.run and each.outcome is None), None)
        if open_run is not None:
            open_run.outcome, open_run.ended = step.what, step.at
    return dict(found)


def steps_in(path: Path) -> list[Step]:
    """Read a worker's record; a last line that is being written is left out."""
    return [Step(float(at), int(number), run, what) for at, number, run, what in _words(path, 4)]


def requests_in(path: Path) -> list[Request]:
    """Read a provider's log."""
    return [
        Request(
            float(at),
            None if number == "-" else int(number),
            dependency,
            run,
            int(status),
            None if trouble == "-" else Kind(trouble),
        )
        for at, number, dependency, run, status, trouble in _words(path, 6)
    ]


def _words(path: Path, number: int) -> list[list[str]]:
    text = path.read_text() if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [words for line in lines if len(words := line.split()) == number]
