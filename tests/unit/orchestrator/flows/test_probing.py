"""Probing: who is asked and when, that a restart keeps the times, and that what was found becomes evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.commands import Mode
from orchestrator.domain.dependencies import Dependency, Health, Policies, Policy
from orchestrator.domain.probes import HttpProbe, ProbeResult, ProbeSpec, TaskProbe
from orchestrator.flows.probing import Probing
from orchestrator.ledger.sql import SqlLedger
from orchestrator.probes.memory import MemoryProber, MemoryRuns
from tests.recovery import NOON, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from datetime import datetime

SPEC = HttpProbe("http://model", every=10)
DOWN = Dependency("model", Health.DOWN, since=NOON, failures=9.0, failed=9, seen_at=NOON)
FAILED = ProbeResult(passed=False, why="answered 503")


@dataclass
class Stage:
    """A ledger, a prober that answers as it is told, and a clock that is moved by hand."""

    specs: dict[str, ProbeSpec] = field(default_factory=lambda: {"model": SPEC})
    ledger: SqlLedger = field(default_factory=SqlLedger.in_memory)
    prober: MemoryProber = field(default_factory=MemoryProber)
    mode: Mode = Mode.ACT
    now: datetime = NOON
    runs: MemoryRuns = field(init=False)

    def __post_init__(self) -> None:
        """Begin without probes under way."""
        self.restart()

    def restart(self) -> None:
        """Lose what a process knows, and keep the ledger."""
        self.runs = MemoryRuns(self.prober)
        policies = Policies({name: Policy(probed=True) for name in self.specs})
        self.probing = Probing(self.ledger, self.runs, self.specs, policies, lambda: self.now, lambda: 0.0, self.mode)

    def know(self, *dependencies: Dependency) -> None:
        """Store dependencies."""
        with self.ledger.transaction() as tx:
            for each in dependencies:
                tx.save_dependency(each)

    def known(self, name: str = "model") -> Dependency:
        """Read a dependency."""
        with self.ledger.reading() as tx:
            found = tx.dependency(name)
        assert found is not None
        return found

    def after(self, seconds: float) -> int:
        """Move the clock, begin what is due and note what comes of it; gives the number of probes so far."""
        self.now += timedelta(seconds=seconds)
        self.probing.run_once()
        self.probing.run_once()
        return len(self.prober.asked)


def test_a_healthy_dependency_is_not_asked() -> None:
    """Neither one that is well, nor one that nothing is known of, nor one that has no probe."""
    stage = Stage()
    stage.know(Dependency("model"), replace(DOWN, name="without a probe"))
    assert stage.after(0) == 0
    assert stage.after(3600) == 0


@pytest.mark.parametrize("health", [Health.SUSPECT, Health.DOWN, Health.RECOVERING])
def test_one_that_is_not_well_is_asked_at_once_and_then_at_its_distance(health: Health) -> None:
    """The first probe goes at once, each further one when its distance is over."""
    stage = Stage(prober=MemoryProber(FAILED))
    stage.know(replace(DOWN, health=health))
    assert stage.after(0) == 1
    assert stage.after(9.9) == 1
    assert stage.after(0.1) == 2


def test_the_next_look_is_when_the_next_probe_is_due() -> None:
    """A look comes when a probe is due; a tenth of a second after the last at most, for others may find something."""
    stage = Stage()
    assert stage.probing.run_once() == 0.1
    stage.know(replace(DOWN, probe_at=NOON + timedelta(seconds=0.03)))
    assert stage.probing.run_once() == 0.03
    stage.know(replace(DOWN, probe_at=NOON + timedelta(seconds=5)))
    assert stage.probing.run_once() == 0.1


def test_what_was_found_becomes_evidence() -> None:
    """A pass counts among the passes in a row and a failure ends them; the note says what was found."""
    stage = Stage(prober=MemoryProber(answers=[ProbeResult(passed=True, why="answered 200"), FAILED]))
    stage.know(DOWN)
    stage.after(0)
    assert (stage.known().passes, stage.known().probe_note) == (1, "answered 200")
    stage.after(10)
    assert (stage.known().passes, stage.known().probe_note) == (0, "answered 503")


def test_passes_in_a_row_end_an_outage() -> None:
    """After as many passes as the policy wants a dependency that was down is recovering."""
    stage = Stage()
    stage.know(DOWN)
    for turn in range(3):
        assert stage.known().health is Health.DOWN
        stage.after(10 if turn else 0)
    assert stage.known().health is Health.RECOVERING


def test_a_restart_keeps_the_times() -> None:
    """The next probe goes when it was due, whether or not the process is the same."""
    stage = Stage(prober=MemoryProber(FAILED))
    stage.know(DOWN)
    assert stage.after(0) == 1
    stage.restart()
    assert stage.after(9) == 1
    stage.restart()
    assert stage.after(1) == 2


def test_a_probe_that_was_under_way_at_a_kill_goes_again() -> None:
    """What nobody could note was not asked."""
    stage = Stage()
    stage.know(DOWN)
    stage.probing.run_once()
    assert list(stage.runs.under_way) == ["model"]
    stage.restart()
    assert stage.after(0) == 1


def test_a_retry_after_is_kept() -> None:
    """One that asks to be left alone for a time is, by probes too; also where failures told of that time."""
    stage = Stage(prober=MemoryProber(replace(FAILED, retry_after=90)))
    stage.know(DOWN)
    assert stage.after(0) == 1
    assert stage.after(89) == 1
    assert stage.after(1) == 2
    stage.know(replace(stage.known(), probe_at=None, not_before=stage.now + timedelta(seconds=60)))
    assert stage.after(59) == 2
    assert stage.after(1) == 3


def test_a_wait_that_nobody_means_does_not_stop_the_probes() -> None:
    """A Retry-After beyond all dates is left out: the dependency is asked at its distance."""
    stage = Stage(prober=MemoryProber(replace(FAILED, retry_after=1e300)))
    stage.know(DOWN)
    assert stage.after(0) == 1
    assert stage.after(10) == 2


@pytest.mark.parametrize(("mode", "asked"), [(Mode.ACT, 2), (Mode.OBSERVE, 1), (Mode.PAUSED, 1)])
def test_a_task_is_published_only_in_the_mode_that_publishes(mode: Mode, asked: int) -> None:
    """While nothing may be published no canary is; other probes go on."""
    stage = Stage({"model": SPEC, "worker": TaskProbe("app.ping")}, mode=mode)
    stage.know(DOWN, replace(DOWN, name="worker"))
    assert stage.after(0) == asked


def test_what_has_waited_longest_is_asked_first() -> None:
    """Where only some can go, those go that were due first: none is passed over for ever."""
    stage = Stage({"model": SPEC, "other": SPEC, "new": SPEC})
    stage.know(
        replace(DOWN, probe_at=NOON - timedelta(seconds=5)),
        replace(DOWN, name="other", probe_at=NOON - timedelta(seconds=60)),
        replace(DOWN, name="new"),
    )
    stage.probing.run_once()
    assert list(stage.runs.under_way) == ["new", "other", "model"]


def test_probes_open_the_gate_and_no_task_is_spent_on_the_outage() -> None:
    """Failed tasks wait while probes fail; after the last of its passes in a row one canary goes, and not before."""
    scene = Scene(policies=Policies({"model": Policy(probed=True)}))
    prober = MemoryProber(answers=[FAILED] * 5)
    probing = Probing(
        scene.ledger, MemoryRuns(prober), {"model": SPEC}, scene.policies, scene.clock, scene.jitter, Mode.ACT
    )
    refused = {"type": "builtins.ConnectionRefusedError", "message": "nobody there", "status": None}
    scene.take_in(*(failed_event(number, exception=failed_event().data["exception"] | refused) for number in range(9)))
    scene.plan()
    for turn in range(8):
        assert (turn, scene.release()) == (turn, [])
        scene.later(10)
        probing.run_once()
        probing.run_once()
        assert len(prober.asked) == turn + 1
    assert len(scene.release()) == 1
