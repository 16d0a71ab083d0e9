"""What only the event logs on real databases must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from orchestrator.domain.errors import DependencyUnreachable, Unstorable
from orchestrator.domain.events import Lane, Passed
from orchestrator.eventlog.appending import APPENDING
from orchestrator.eventlog.schema import STORE, check, events, migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.stores import SchemaDiffers
from tests.events import NOON, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/events.sqlite"
    address: str = request.getfixturevalue("postgres")
    return address


@pytest.fixture
def log(url: str) -> Iterator[SqlEventLog]:
    """Give a migrated log."""
    migrate(url)
    made = SqlEventLog(url)
    yield made
    made.close()


def test_migrations_make_what_the_code_declares(url: str) -> None:
    """A migrated database passes the check, migrating again changes nothing, and an empty one fails the check."""
    with pytest.raises(SchemaDiffers, match="migrate the database"):
        check(url)
    migrate(url)
    migrate(url)
    check(url)


def test_a_table_that_drifted_is_told(url: str) -> None:
    """The check names a column that somebody dropped."""
    migrate(url)
    engine = STORE.open(url)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE events DROP COLUMN price_version"))
    engine.dispose()
    with pytest.raises(SchemaDiffers, match="price_version"):
        check(url)


def test_a_log_without_tables_is_not_ready(url: str) -> None:
    """The database's error comes back as one of ours, without a traceback of the driver's."""
    log = SqlEventLog(url)
    with pytest.raises(DependencyUnreachable, match="event log"):
        log.ready()
    log.close()


def test_what_was_appended_is_there_for_the_next_process(log: SqlEventLog, url: str) -> None:
    """A second handle on the same database sees every event and cursor."""
    given = record()
    log.append([given])
    log.advance("warehouse", Lane.PRIORITY, 1, epoch=1, passed=Passed(NOON))
    other = SqlEventLog(url)
    assert [stored.record for stored in other.read(Lane.PRIORITY, 0, 10)] == [given]
    assert other.cursor("warehouse", Lane.PRIORITY) == 1
    other.close()


def test_a_number_is_never_given_twice(log: SqlEventLog, url: str) -> None:
    """After the newest rows are dropped, the next event still gets a higher number: cursors stay true."""
    log.append([record(), record()])
    last = log.read(Lane.PRIORITY, 0, 10)[-1].seq
    engine = STORE.open(url)
    with engine.begin() as connection:
        connection.execute(events.delete())
    engine.dispose()
    log.append([record()])
    assert log.read(Lane.PRIORITY, 0, 10)[0].seq > last


def test_sqlite_commits_survive_a_power_loss(tmp_path: Path) -> None:
    """Every connection runs with a write-ahead log and synchronous=FULL (2)."""
    engine = STORE.open(f"sqlite:///{tmp_path}/events.sqlite")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


def test_what_cannot_be_stored_fails_its_own_caller_only(log: SqlEventLog) -> None:
    """Of many appends at once, the one with a value that no column takes is refused, and every other one is stored."""
    bad = replace(record(), id=None)  # type: ignore[arg-type]  # a value that the column refuses on both databases
    good = [record() for _ in range(20)]
    with ThreadPoolExecutor(21) as pool:
        refused = pool.submit(log.append, [record(), bad])
        stored = [pool.submit(log.append, [each]) for each in good]
        assert [each.result().new for each in stored] == [1] * 20
        with pytest.raises(Unstorable, match="event log"):
            refused.result()
    kept = [each.record.key for each in log.read(Lane.PRIORITY, 0, 100)]
    assert sorted(kept) == sorted(each.key for each in good)


def test_a_reader_steps_over_nothing_of_several_processes(log: SqlEventLog, url: str) -> None:
    """Two handles, as two processes have them, append in groups, the same events among them: each is read once."""
    other = SqlEventLog(url)
    records = [record() for _ in range(120)]
    shared = records[:20]
    seen, after = [], 0
    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(log.append, [each]) for each in records[:70]]
        writers += [pool.submit(other.append, [each]) for each in shared + records[70:]]
        while True:
            finished = all(writer.done() for writer in writers)
            batch = log.read(Lane.PRIORITY, after, 7)
            seen += [stored.record.key for stored in batch]
            after = batch[-1].seq if batch else after
            if finished and not batch:
                break
    assert sum(writer.result().new for writer in writers) == len(records)
    assert sum(writer.result().duplicate for writer in writers) == len(shared)
    assert sorted(seen) == sorted(each.key for each in records)
    other.close()


def test_an_append_waits_for_the_one_that_has_numbers_but_no_commit(postgres: str) -> None:
    """While another process's append is uncommitted, ours waits: a number never appears behind a cursor."""
    migrate(postgres)
    log, slow, appended = SqlEventLog(postgres), STORE.open(postgres), Flag()

    def append() -> None:
        log.append([record()])
        appended.set()

    with slow.connect() as connection:
        connection.execute(sa.text(APPENDING))
        writer = Thread(target=append)
        writer.start()
        _until_somebody_waits(connection)
        assert not appended.is_set()
        assert log.read(Lane.PRIORITY, 0, 10) == []
        connection.commit()
    writer.join(timeout=30)
    assert appended.is_set()
    slow.dispose()
    log.close()


def _until_somebody_waits(connection: sa.Connection) -> None:
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    for _ in range(1000):
        if connection.execute(waiting).scalar():
            return
        connection.execute(sa.text("SELECT pg_sleep(0.01)"))
    pytest.fail("expected an append that waits for its turn, got none in 10 s")
