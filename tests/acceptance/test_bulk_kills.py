"""SIGKILL of the orchestrator at ten moments of a bulk recovery: nothing forgotten, nothing twice and not counted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from orchestrator.dev.processes import ChildFailed
from orchestrator.failpoints import LOG_VARIABLE, VARIABLE, fired
from tests.acceptance.night.engines import POSTGRESQL, SQLITE, engines_of
from tests.acceptance.night.night import Night
from tests.acceptance.night.recovery import OVER, Recovery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SEED: Final = 8
SECONDS: Final = 240.0
# Named places, each at a moment drawn by lot; `accepted`: as soon as it is; `early`, `late`: by how far it has come;
# `paused`: while it is.
QUICK: Final = ("accepted", "task_published")
ALL: Final = (
    "accepted",
    "attempt_recorded",
    "task_published",
    "ledger_committed",
    "early",
    "eventlog_committed",
    "paused",
    "task_published",
    "attempt_recorded",
    "late",
)
SHARES_DONE: Final = {"early": (0.05, 0.2), "late": (0.6, 0.8)}
# At one of the first so many times that it comes by.
MOST_HITS: Final = {"attempt_recorded": 4, "task_published": 60, "ledger_committed": 4, "eventlog_committed": 4}


@dataclass(slots=True)
class Kills:
    """Ends the orchestrator of a night, again and again, while `recovery` is under way."""

    night: Night
    recovery: Recovery
    dice: Random = field(default_factory=lambda: Random(SEED))

    @property
    def log(self) -> Path:
        """Where a failpoint notes that it fired."""
        return self.night.folder / "fired.txt"

    def kill(self, moment: str) -> None:
        """Kill it at this moment, and start it again, unarmed."""
        stack = self.night.ground.stack
        if moment in MOST_HITS:
            self._die_at(moment)
        else:
            self._come_to(moment)
            stack.child("orchestrator").kill()
        stack.start_orchestrator()
        self.recovery.look()
        if moment == "paused":
            self._expect_paused()

    def _die_at(self, place: str) -> None:
        """Start it with the place armed, and wait until it has died there."""
        stack, before = self.night.ground.stack, len(fired(self.log))
        stack.child("orchestrator").kill()
        hits = self.dice.randint(1, MOST_HITS[place])
        stack.environ |= {VARIABLE: f"{place}:{hits}", LOG_VARIABLE: str(self.log)}
        with suppress(ChildFailed):  # it may be there before it serves
            stack.start_orchestrator()
        del stack.environ[VARIABLE]
        self.night.ground.until(f"the kill at {place}", lambda: not stack.child("orchestrator").alive, SECONDS)
        assert fired(self.log)[before:] == [place]

    def _come_to(self, moment: str) -> None:
        if moment == "paused":
            self.recovery.still()
        if moment not in SHARES_DONE:
            return
        wanted = int(self.night.paying * self.dice.uniform(*SHARES_DONE[moment]))
        self.night.ground.until(f"{wanted} to recover", lambda: self._recovered() >= wanted, SECONDS)

    def _recovered(self) -> int:
        return self.recovery.look().progress["recovered"]

    def _expect_paused(self) -> None:
        """See that the pause outlives the kill, and that it is a person who ends it."""
        seen = self.recovery.look()
        assert seen.state == "paused"
        seen.expect_exact()
        self.recovery.tell("resume")


@dataclass(frozen=True, slots=True)
class Course:
    """How large a night is, and at which moments the orchestrator dies."""

    engine: str
    failures: int
    moments: Sequence[str]


@pytest.mark.parametrize(
    "course",
    [
        Course(SQLITE, 200, QUICK),
        pytest.param(Course(SQLITE, 2_000, ALL), marks=pytest.mark.slow),
        pytest.param(Course(POSTGRESQL, 2_000, ALL), marks=pytest.mark.slow),
    ],
    ids=lambda each: f"{each.engine}-{each.failures}",
)
@pytest.mark.timeout(900)
def test_a_bulk_recovery_outlives_kills(
    course: Course, tmp_path: Path, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """Killed again and again, it ends with each task gone well, and what ran twice is counted as that."""
    with Night(tmp_path, course.failures, engines_of(course.engine, request)) as night:
        recovery = begun(night)
        kills = Kills(night, recovery)
        for moment in course.moments:
            kills.kill(moment)
        night.ground.until("the recovery to end", lambda: recovery.look().state in OVER, SECONDS)
        beyond = expect_whole(recovery)
        record_property("duplicate_runs", beyond)
        told = f"{len(course.moments)} kills, {night.paying} tasks, {len(recovery.looks)} looks, {beyond} duplicates"
        print(f"{course.engine}: {told}")  # noqa: T201 - a measured figure, for whoever runs it with -s


def begun(night: Night) -> Recovery:
    """Let everything fail, bring payments-api back, and ask for what leans on it."""
    night.break_out(SECONDS)
    night.outage.end("payments-api")
    recovery = Recovery(night, {"query": {"dependency": "payments-api"}})
    recovery.ask()
    return recovery


def expect_whole(recovery: Recovery) -> int:
    """See that each task went well and each run beyond is counted; gives how many those are."""
    night, seen = recovery.night, recovery.look()
    seen.expect_exact()
    assert seen.state == "done"
    assert seen.progress["recovered"] == seen.progress["asked"] == night.paying
    beyond = night.truth.beyond
    night.ground.until(f"{beyond} duplicates to be told", lambda: night.told_duplicates() == beyond)
    return beyond
