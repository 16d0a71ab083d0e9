"""The part that counts hours: every warehouse, at once while many hours wait, else half a minute later."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from orchestrator.bootstrap.rollups import EVERY, rollups_loop
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
