"""What a load test ends with: its figures as data and as text, and whether it could measure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from loadtests.overhead import p95
from loadtests.timings import SPANS, SUCCESS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.locust_figures import Requests
    from loadtests.overhead import FirstRetries, Overhead
    from loadtests.testbed import Settled
    from loadtests.timings import Run
    from loadtests.turns import Turn


# Beyond this share of one kind of request, the load was not the one that is described.
MOST_FAILED: Final = 0.05


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The figures of one load test. An overhead of None could not be measured; `problems` says why."""

    seed: int
    seconds: float
    users: int
    turns: Sequence[Turn]
    outage_seconds: float
    recovery_seconds: float
    runs: Sequence[Run]
    measured_runs: Mapping[str, Sequence[Run]]
    overheads: Mapping[str, Overhead | None]
    first_retries: FirstRetries
    beside: Mapping[str, int]
    settled: Settled
    requests: Sequence[Requests]
    problems: Sequence[str]

    @property
    def agrees(self) -> bool:
        """Tell whether StackStorm's `settle` counted what the ledger counted."""
        settled = (self.settled.first_successes, self.settled.first_attempts)
        return settled == (self.first_retries.successes, self.first_retries.attempts)

    @property
    def why_not(self) -> list[str]:
        """Say all that keeps these figures from being a measurement."""
        found = list(self.problems)
        if not self.first_retries.attempts:
            found.append(
                "expected redrives to count first retries of, got none; see whether the outage made calls fail"
            )
        found += [
            f"expected {each.name} to be answered well, got {each.failures} of {each.requests} that were not"
            for each in self.requests
            if each.failures > MOST_FAILED * each.requests
        ]
        if not self.agrees:
            found.append(
                f"expected settle's sums to be the ledger's counts, got {self.settled} and {self.first_retries}"
            )
        return found

    @property
    def measured(self) -> bool:
        """Tell whether there is a figure for everything, and nothing that contradicts one."""
        return not self.why_not

    def as_data(self) -> dict[str, Any]:
        """Give the result as JSON-ready data; keys only ever get added. Times are as their names say."""
        return {
            "measured": self.measured,
            "problems": self.why_not,
            "seed": self.seed,
            "seconds": self.seconds,
            "users": self.users,
            "turns": [asdict(turn) | self._of_turn(turn) for turn in self.turns],
            "outage_seconds": round(self.outage_seconds, 1),
            "recovery_seconds": round(self.recovery_seconds, 1),
            "calls": self._calls(),
            "overhead": {span: _told(overhead) for span, overhead in self.overheads.items()},
            "first_retry": self._first_retry(),
            "requests": [asdict(each) for each in self.requests],
        }

    def _of_turn(self, turn: Turn) -> dict[str, Any]:
        durations = [run.end_to_end for run in self.measured_runs[turn.block]]
        found = p95(durations)
        return {"measured": len(durations), "end_to_end_p95_ms": None if found is None else found * 1000}

    def _calls(self) -> dict[str, int]:
        states = Counter(run.state for run in self.runs)
        return {
            "sent": len(self.runs),
            "succeeded_at_once": states[SUCCESS],
            "failed_at_first": len(self.runs) - states[SUCCESS] - states[None],
            "unfinished": states[None],
        }

    def _first_retry(self) -> dict[str, Any]:
        attempts, successes = self.first_retries.attempts, self.first_retries.successes
        return {
            "successes": successes,
            "attempts": attempts,
            "share": successes / attempts if attempts else None,
            **self.beside,
            "settled": asdict(self.settled),
            "agrees": self.agrees,
        }

    def as_text(self) -> str:
        """Tell the same on one screen."""
        overheads = [
            line
            for span, overhead in self.overheads.items()
            for line in (f"plugin on and off, {SPANS[span]}", f"  {overhead or 'not measured'}")
        ]
        parts = [self._told_load(), overheads, self._told_retries(), self._told_requests()]
        problems = [f"NOT MEASURED: {problem}" for problem in self.why_not]
        return "\n\n".join("\n".join(lines) for lines in [*parts, problems] if lines)

    def _told_load(self) -> list[str]:
        calls = self._calls()
        turns = f"{len(self.turns)} turns of {self.turns[0].seconds:.1f} s with the plugin on and off"
        ended = f"{calls['succeeded_at_once']} succeeded at once, {calls['failed_at_first']} failed at first"
        return [
            f"{turns}, seed {self.seed}; {self.users} web users and an operator",
            f"provider down for {self.outage_seconds:.1f} s; all recovered {self.recovery_seconds:.1f} s later",
            f"{calls['sent']} calls: {ended}, {calls['unfinished']} unfinished",
        ]

    def _told_retries(self) -> list[str]:
        settled, verdict = self.settled, "they agree" if self.agrees else "THEY DISAGREE"
        sums = f"{settled.first_successes} of {settled.first_attempts}, in {settled.executions} executions"
        beside = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in self.beside.items())
        return [
            str(self.first_retries),
            f"  settle's sums in StackStorm: {sums}: {verdict}",
            f"  beside it: {beside}",
        ]

    def _told_requests(self) -> list[str]:
        head = f"{'requests, as Locust saw them':<42}{'count':>8}{'failed':>8}{'p95 ms':>8}"
        rows = [f"{each.name:<42}{each.requests:>8}{each.failures:>8}{each.p95_ms:>8.0f}" for each in self.requests]
        return [head, *rows]


def _told(told: Overhead | None) -> dict[str, float | int] | None:
    if told is None:
        return None
    return {
        "p95_on_ms": told.on * 1000,
        "p95_off_ms": told.off * 1000,
        "difference_ms": told.difference * 1000,
        "low_ms": told.low * 1000,
        "high_ms": told.high * 1000,
        "samples_on": told.samples_on,
        "samples_off": told.samples_off,
    }
