"""What all SQL stores have in common."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.eventlog import schema
from orchestrator.ledger.schema import STORE as LEDGER
from orchestrator.stores import Unstorable, UtcDateTime, open_engine, reachable, writing
from tests.events import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

times = sa.Table("times", sa.MetaData(), sa.Column("n", sa.Integer, primary_key=True), sa.Column("at", UtcDateTime))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty database of each kind."""
    address: str = (
        f"sqlite:///{tmp_path}/a.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres")
    )
    return address


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """Give an engine with one table."""
    made = open_engine(url)
    times.metadata.create_all(made)
    yield made
    made.dispose()


def test_a_time_comes_back_at_its_moment_with_an_offset(engine: sa.Engine) -> None:
    """A database without time zones keeps the instant, to the microsecond."""
    with writing(engine) as connection:
        connection.execute(times.insert(), {"n": 1, "at": NOON.astimezone(timezone(timedelta(hours=-8)))})
        found = connection.execute(sa.select(times.c.at)).scalar_one()
    assert found == NOON
    assert found.tzinfo is not None


def test_a_time_without_an_offset_is_refused(engine: sa.Engine) -> None:
    """A naive time is a fault of ours, and is told before it is stored."""
    naive = datetime(2025, 1, 1)  # noqa: DTZ001 - the fault that is tested
    with pytest.raises(sa.exc.StatementError, match="offset"), writing(engine) as connection:
        connection.execute(times.insert(), {"n": 1, "at": naive})


def test_a_block_that_raises_leaves_nothing(engine: sa.Engine) -> None:
    """A transaction is whole or not at all."""
    with pytest.raises(ZeroDivisionError), writing(engine) as connection:
        assert connection.execute(times.insert(), {"n": 1}).rowcount / 0
    with engine.connect() as connection:
        assert connection.execute(sa.select(times)).all() == []


def test_a_pool_of_a_file_closes_no_connection(tmp_path: Path) -> None:
    """SQLite keeps a closed one's file open while another has a lock: a process would have ever more files open."""
    engine, seen = open_engine(f"sqlite:///{tmp_path}/a.sqlite"), Counter[str]()
    for change in ("connect", "close"):
        sa.event.listen(engine, change, lambda *_, change=change: seen.update([change]))
    for _ in range(2):
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(engine.connect())
    assert seen == {"connect": 5}
    engine.dispose()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_connections_that_were_cut_while_they_rested_are_made_anew(
    engine: sa.Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a PostgreSQL that was restarted nobody hears: the first that is asked tells of all."""
    _cut(engine, url)
    monkeypatch.setattr("orchestrator.pooling.RESTED_SECONDS", 0.0)
    with engine.connect() as connection:
        assert connection.execute(sa.select(times)).all() == []
    monkeypatch.setattr("orchestrator.pooling.RESTED_SECONDS", 60.0)
    with engine.connect() as first, engine.connect() as second:
        assert [each.execute(sa.select(times)).all() for each in (first, second)] == [[], []]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("how", ["connect", "raw_connection"])
def test_one_that_is_cut_in_use_has_the_others_asked(
    how: str, engine: sa.Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gets a connection that was cut within the last second hears of it, and nobody after that."""
    _cut(engine, url)
    monkeypatch.setattr("orchestrator.pooling.RESTED_SECONDS", 60.0)
    with pytest.raises((sa.exc.OperationalError, psycopg.OperationalError)):
        _ask(engine, how)
    assert _ask(engine, how) == 1


def _ask(engine: sa.Engine, how: str) -> int:
    with closing(getattr(engine, how)()) as connection:
        if how == "connect":
            return int(connection.execute(sa.text("SELECT 1")).scalar_one())
        return int(connection.driver_connection.execute("SELECT 1").fetchone()[0])


def _cut(engine: sa.Engine, url: str) -> None:
    """Cut two connections that rest in the pool."""
    with engine.connect() as first, engine.connect() as second:
        pids = [each.execute(sa.select(sa.func.pg_backend_pid())).scalar_one() for each in (first, second)]
    with psycopg.connect(url, autocommit=True) as other:
        for pid in pids:
            assert other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)


def test_values_that_break_a_constraint_are_told_from_a_database_that_is_away(engine: sa.Engine, url: str) -> None:
    """The first will never succeed, the second will: a sink halves the batch for one and waits for the other."""
    with pytest.raises(Unstorable, match="store"), reachable("store"), writing(engine) as connection:
        connection.execute(times.insert(), [{"n": 1}, {"n": 1}])
    away = open_engine(f"{url}_nowhere/x" if url.startswith("sqlite") else "postgresql://127.0.0.1:1/x")
    with pytest.raises(DependencyUnreachable, match="store"), reachable("store"), away.connect():
        pass


def test_a_writer_that_reads_first_waits_for_the_one_before(engine: sa.Engine) -> None:
    """Read, then write, from many threads at once: nobody fails on a lock, and no change is lost."""
    with writing(engine) as connection:
        connection.execute(times.insert(), {"n": 0})

    def raise_by_one(_: int) -> None:
        with writing(engine) as connection:
            row = sa.select(times.c.n).with_for_update()
            connection.execute(times.update().values(n=connection.execute(row).scalar_one() + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(raise_by_one, range(20)))
    with engine.connect() as connection:
        assert connection.execute(sa.select(times.c.n)).scalar_one() == 20


def test_several_processes_may_migrate_at_once(url: str) -> None:
    """Orchestrators that start together do not trip over each other's tables."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(schema.migrate, [url] * 4))
    schema.check(url)


def test_a_new_file_that_another_holds_is_waited_for(tmp_path: Path) -> None:
    """SQLite refuses the change to WAL at once while another holds the file; the store asks again until it may."""
    file = tmp_path / "new.sqlite"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, other.rollback).start()
    with open_engine(f"sqlite:///{file}").connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    other.close()


def test_a_store_is_ready_at_its_newest_revision_alone(url: str) -> None:
    """An empty database is not ready, and says what to do; a migrated one is."""
    with pytest.raises(DependencyUnreachable, match="migrates it"):
        LEDGER.ready(url)
    LEDGER.migrate(url)
    LEDGER.ready(url)


def test_a_value_that_no_column_can_hold_is_refused_without_the_statement(engine: sa.Engine) -> None:
    """It fails before the database is asked: nothing is away, and what was asked stays out of the answer."""
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    with pytest.raises(Unstorable) as caught, reachable("the ledger"), writing(engine) as connection:
        connection.execute(sa.select(times).where(times.c.at >= early)).all()
    assert "SELECT" not in str(caught.value).upper()
