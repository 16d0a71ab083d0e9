"""Who has which processors while the arms are compared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from loadtests.bed.apart import Shares, apart, shares_of
from loadtests.processes import Processes
from loadtests.scenarios.scenario import Engines, Phase, PhaseKind, Scenario

if TYPE_CHECKING:
    from pathlib import Path


def scenario(kind: PhaseKind) -> Scenario:
    """Make a scenario of one phase."""
    return Scenario("s", "", Engines.EMBEDDED, 1, 20, (Phase("p", kind, 10),))


@pytest.mark.parametrize(
    ("processors", "shares"),
    [
        ([3], None),
        ([0, 1], Shares(frozenset({0}), frozenset({1}))),
        ([5, 2, 9], Shares(frozenset({2}), frozenset({5, 9}))),
    ],
)
def test_workers_have_the_smaller_half(processors: list[int], shares: Shares | None) -> None:
    """One processor cannot be shared out."""
    assert shares_of(processors) == shares


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot keep processors apart")
def test_this_process_leaves_the_workers_theirs_for_so_long() -> None:
    """Where arms are compared, and no longer; elsewhere nothing is kept apart."""
    before = os.sched_getaffinity(0)
    with apart(scenario(PhaseKind.LOAD)) as shares:
        assert (shares, os.sched_getaffinity(0)) == (None, before)
    with apart(scenario(PhaseKind.OVERHEAD)) as shares:
        assert shares == shares_of(before)
        assert os.sched_getaffinity(0) == (shares.others if shares else before)
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot keep processors apart")
def test_a_process_runs_where_it_is_told(tmp_path: Path) -> None:
    """And one that is not told runs where we do."""
    one = min(os.sched_getaffinity(0))
    with Processes(tmp_path, processors={"told": {one}}) as processes:
        told, free = (processes.start(name, ["-c", "import time; time.sleep(30)"]) for name in ("told", "free"))
        assert os.sched_getaffinity(told.popen.pid) == {one}
        assert os.sched_getaffinity(free.popen.pid) == os.sched_getaffinity(0)
