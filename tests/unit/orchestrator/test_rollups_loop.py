"""The part that counts hours: every warehouse, at once while many hours wait, else half a minute later."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from orchestrator.bootstrap.rollups import EVERY, rollups_loop
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.warehouse.rollups import AT_ONCE, mark_stale
from orchestrator.warehouse.schema import STORE, migrate, stale_hours
from tests.events import NOON

if TYPE_CHECKING:
    from pathlib import Path


def test_each_warehouse_is_counted_and_a_backlog_without_a_wait(tmp_path: Path) -> None:
    """More hours than one commit counts are counted one step after the other; then it rests."""
    urls = [f"sqlite:///{tmp_path}/{name}.sqlite" for name in ("one", "two")]
    engines = []
    for url in urls:
        migrate(url)
        engines.append(STORE.open(url))
    with engines[0].begin() as one, engines[1].begin() as two:
        mark_stale(one, [NOON])
        mark_stale(two, [NOON + timedelta(hours=each) for each in range(AT_ONCE + 1)])
    loop = rollups_loop(urls)
    assert [loop.step(), loop.step()] == [0.0, EVERY]
    for engine in engines:
        with engine.connect() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(stale_hours)).scalar() == 0
        engine.dispose()


def test_a_warehouse_that_is_away_keeps_no_other_from_being_counted(tmp_path: Path) -> None:
    """Those before it and behind it are counted in the same step, and the step says which one could not be."""
    away = f"sqlite:///{tmp_path}/gone/away.sqlite"
    urls = [f"sqlite:///{tmp_path}/{name}.sqlite" for name in ("one", "two")]
    engines = []
    for url in urls:
        migrate(url)
        engines.append(STORE.open(url))
        with engines[-1].begin() as connection:
            mark_stale(connection, [NOON])
    with pytest.raises(DependencyUnreachable):
        rollups_loop([urls[0], away, urls[1]]).step()
    for engine in engines:
        with engine.connect() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(stale_hours)).scalar() == 0
        engine.dispose()
