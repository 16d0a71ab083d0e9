"""A child that the kernel killed for want of memory is told from one that somebody killed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from celery.exceptions import WorkerLostError

from eventbus.facts import facts_of
from eventbus.memory import KernelKills, counter_of
from orchestrator.domain.classify import classify
from orchestrator.domain.failures import ExceptionFacts, Kind, Way

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = "low 0\nhigh 4\nmax 9\noom 3\noom_kill {}\noom_group_kill 0\n"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SIGKILL = "Worker exited prematurely: signal 9 (SIGKILL) Job: 0."
SIGSEGV = "Worker exited prematurely: signal 11 (SIGSEGV) Job: 0."


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    """Give a count that stands at 2."""
    path = tmp_path / "memory.events"
    path.write_text(EVENTS.format(2))
    return path


def lost(kills: KernelKills, message: str = SIGKILL) -> tuple[str | None, Kind]:
    """Lose a child; give the code that is told of it, and the kind."""
    error = WorkerLostError(message)
    kills.witness(error)
    told = facts_of(error, "", NOW)
    facts = ExceptionFacts(told["type"], told["message"], code=told.get("code"))
    return facts.code, classify(Way.CHILD_KILLED, facts).kind


def test_a_count_that_grew_tells_why_the_child_was_killed(counter: Path) -> None:
    """The loss after it is for want of memory, a further one is not, until the count grows again."""
    kills = KernelKills(counter)
    assert lost(kills) == (None, Kind.WORKER_LOST)
    counter.write_text(EVENTS.format(3))
    assert lost(kills) == ("oom_kill", Kind.RESOURCE)
    assert lost(kills) == (None, Kind.WORKER_LOST)


def test_another_signal_is_not_the_kernels_for_memory(counter: Path) -> None:
    """A crash is told as one though the count has grown beside it, and uses that growth up."""
    kills = KernelKills(counter)
    counter.write_text(EVENTS.format(3))
    assert lost(kills, SIGSEGV) == (None, Kind.WORKER_LOST)
    assert lost(kills) == (None, Kind.WORKER_LOST)


@pytest.mark.parametrize("text", [None, "", "oom_kill", "oom_kill many\n", "oom 3\n"])
def test_where_nothing_counts_nothing_is_said(tmp_path: Path, text: str | None) -> None:
    """A file that is not there, or is of another form, is no error and no evidence."""
    path = tmp_path / "memory.events"
    if text is not None:
        path.write_text(text)
    kills = KernelKills(path)
    path.write_text(EVENTS.format(9))
    assert lost(kills) == (None, Kind.WORKER_LOST)


@pytest.mark.parametrize(
    ("groups", "there", "found"),
    [
        ("0::/worker.slice\n", ["worker.slice/memory.events", "memory.events"], "worker.slice/memory.events"),
        ("0::/\n", ["memory.events"], "memory.events"),
        ("0::/elsewhere\n", ["memory.events"], "memory.events"),
        ("9:cpu:/x\n8:memory:/job\n0::/\n", ["memory/job/memory.oom_control"], "memory/job/memory.oom_control"),
        ("8:memory:/job\n", ["memory/memory.oom_control"], "memory/memory.oom_control"),
        ("8:memory:/job\n", [], None),
        ("no groups\n", ["memory.events"], None),
    ],
)
def test_the_count_is_that_of_the_workers_own_group(
    tmp_path: Path, groups: str, there: list[str], found: str | None
) -> None:
    """Version 2 or 1, by what the process is in; in a container the root is the group."""
    cgroup, root = tmp_path / "cgroup", tmp_path / "fs"
    cgroup.write_text(groups)
    for each in there:
        (root / each).parent.mkdir(parents=True, exist_ok=True)
        (root / each).write_text(EVENTS.format(0))
    assert counter_of(cgroup, root) == (root / found if found else None)
    assert counter_of(tmp_path / "none", root) is None
