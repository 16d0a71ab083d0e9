"""The bus is cut under load, the worker killed meanwhile: every failure is in the ledger once, and no cost is lost."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.bus_cut import Plan, Round, Tally
from tests.services import own_vhost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUNDS = 10
SIDE_BY_SIDE = 5
CUT_SECONDS = 120.0


def run(folder: Path, plan: Plan) -> Tally:
    """Run one round in a folder and a virtual host of its own."""
    folder.mkdir()
    with own_vhost() as broker:
        return Round(folder, broker, plan).run()


def check(tally: Tally) -> None:
    """Hold a round to what was promised."""
    print(tally)  # noqa: T201 - the figures of a round, for whoever runs it with -s
    assert tally.raised > 0
    assert tally.missing == frozenset(), tally
    assert tally.twice == frozenset(), tally
    assert tally.unexplained == frozenset(), tally
    assert tally.unpaid == frozenset(), tally


def test_a_short_cut_and_a_kill_lose_no_failure(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """A few seconds without a bus, a SIGKILL of the worker's whole group: raised is in the ledger, none twice."""
    tally = run(tmp_path / "round", Plan.drawn(random.randrange(10_000), 4))
    record_property("tally", str(tally))
    check(tally)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_cuts_of_two_minutes_and_ten_kills_lose_no_failure(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Ten rounds at random times (REDRIVE_TEST_SEED names the first seed again): as above, in each of them."""
    first = int(os.environ.get("REDRIVE_TEST_SEED") or random.randrange(10_000))
    plans = [Plan.drawn(first + number, CUT_SECONDS) for number in range(ROUNDS)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        tallies = list(pool.map(lambda plan: run(tmp_path / str(plan.seed), plan), plans))
    record_property("tallies", [str(tally) for tally in tallies])
    for tally in tallies:
        check(tally)
