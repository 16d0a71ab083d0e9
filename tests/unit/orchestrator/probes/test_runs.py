"""Probes under way: a few at a time, one for each dependency, and one that hangs keeps nobody waiting."""

from __future__ import annotations

import time
from threading import Event
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.probes import ProbeResult, ProbeSpec, TcpProbe
from orchestrator.probes import runs as runs_module
from orchestrator.probes.memory import PASSED, MemoryRuns
from orchestrator.probes.runs import ThreadedRuns

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = TcpProbe("h", 1, timeout=0.05)
PATIENCE = 10.0


class Gated:
    """A prober whose probes end when they are let."""

    def __init__(self) -> None:
        self.let = Event()

    def probe(self, spec: ProbeSpec) -> ProbeResult:
        """Wait until it is let."""
        del spec
        self.let.wait(PATIENCE)
        return PASSED


@pytest.fixture
def gated() -> Iterator[Gated]:
    """A prober that is let go at the end."""
    made = Gated()
    yield made
    made.let.set()


def collect(runs: ThreadedRuns, count: int) -> list[tuple[str, ProbeResult]]:
    """Give so many results once they have come."""
    found: list[tuple[str, ProbeResult]] = []
    until = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < until
        found += runs.finished()
        time.sleep(0.01)
    return found


def test_a_dependency_has_one_probe_under_way(gated: Gated) -> None:
    """A second probe of a dependency is refused until what came of the first has been told."""
    runs = ThreadedRuns(gated)
    assert runs.start("model", SPEC)
    assert not runs.start("model", SPEC)
    assert runs.start("database", SPEC)
    gated.let.set()
    assert sorted(collect(runs, 2)) == sorted([("model", PASSED), ("database", PASSED)])
    assert runs.start("model", SPEC)


def test_a_few_probes_are_under_way_at_a_time(gated: Gated) -> None:
    """Beyond the bound a probe is refused: it goes when another one has ended."""
    runs = ThreadedRuns(gated, most=2)
    assert [runs.start(name, SPEC) for name in ("a", "b", "c")] == [True, True, False]
    gated.let.set()
    collect(runs, 2)
    assert runs.start("c", SPEC)


def test_a_probe_that_hangs_is_told_once_and_not_doubled(gated: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that overruns its time-out has not passed; while it hangs its dependency gets no second one."""
    monkeypatch.setattr(runs_module, "GRACE", 0.0)
    runs = ThreadedRuns(gated)
    assert runs.start("model", SPEC)
    ((name, result),) = collect(runs, 1)
    assert (name, result.passed) == ("model", False)
    assert not runs.start("model", SPEC)
    gated.let.set()
    until = time.monotonic() + PATIENCE
    while not runs.start("model", SPEC):
        assert runs.finished() == []
        assert time.monotonic() < until
        time.sleep(0.01)


def test_whoever_asks_is_told_that_there_is_something(gated: Gated) -> None:
    """The end of a probe is called out, once there is a result to ask for."""
    ended = Event()
    runs = ThreadedRuns(gated, ended.set)
    assert runs.start("model", SPEC)
    assert not ended.is_set()
    gated.let.set()
    assert ended.wait(PATIENCE)
    assert runs.finished() == [("model", PASSED)]


def test_an_old_result_is_dropped(gated: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found before the lead was lost is no evidence when it comes back; the dependency may be asked again."""
    monkeypatch.setattr(runs_module, "STALE", 0.0)
    gated.let.set()
    runs = ThreadedRuns(gated)
    assert runs.start("model", SPEC)
    until = time.monotonic() + PATIENCE
    while not runs.start("model", SPEC):
        assert runs.finished() == []
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_fake_is_over_at_once() -> None:
    """The runs for tests refuse a second probe too, and answer when they are asked."""
    runs = MemoryRuns()
    assert [runs.start("model", SPEC), runs.start("model", SPEC)] == [True, False]
    assert runs.finished() == [("model", PASSED)]
    assert runs.finished() == []
