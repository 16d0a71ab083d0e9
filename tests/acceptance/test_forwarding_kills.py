"""SIGKILL of the orchestrator at every step on an event's way, and at random moments: nothing lost, nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests.bench.crash import KILLS, played
from loadtests.crash.figures import described
from loadtests.crash.playing import PLACES
from loadtests.crash.stores import POSTGRESQL, SQLITE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEED = 7
# Into the log, into the warehouse, and past it.
FEW = ("eventlog_appended", "warehouse_loaded", "cursor_moving")


@pytest.mark.parametrize(
    ("store", "kills", "places"),
    [
        (SQLITE, 1, FEW),
        pytest.param(POSTGRESQL, 2, PLACES, marks=pytest.mark.slow),
        pytest.param(SQLITE, KILLS, PLACES, marks=pytest.mark.slow),
        pytest.param(POSTGRESQL, KILLS, PLACES, marks=pytest.mark.slow),
    ],
    ids=["sqlite-1", "postgresql-2", f"sqlite-{KILLS}", f"postgresql-{KILLS}"],
)
@pytest.mark.timeout(1_800)
def test_kills_lose_nothing_and_double_nothing_in_the_warehouse(
    store: str, kills: int, places: Sequence[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each accepted event is in every sink, once in the warehouse, under its one messageId at the gateway."""
    if store == POSTGRESQL:
        request.getfixturevalue("postgres")
    report = played(tmp_path, store, kills, SEED, places)
    print(described(report))  # noqa: T201 - measured figures, for whoever runs it with -s
    assert report.missed == []
