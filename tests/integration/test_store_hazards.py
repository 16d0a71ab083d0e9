"""Everything that happens to databases happens while events are accepted and loaded: nothing lost, twice, or stuck."""

from __future__ import annotations

import signal
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.hazards import hazards
from tests.own_postgres import own_postgres, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hazards import Hazards
    from tests.own_postgres import OwnPostgres

HOUR = 3600.0
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL"


@pytest.fixture(scope="module")
def shared() -> Iterator[OwnPostgres]:
    """One server of our own with few connections."""
    with own_postgres("-c", "max_connections=24", "-c", "superuser_reserved_connections=1") as server:
        yield server


@pytest.fixture
def server(shared: OwnPostgres) -> OwnPostgres:
    """That server, with nothing in it."""
    with psycopg.connect(shared.url, autocommit=True) as admin:
        admin.execute(OTHERS.encode())
        admin.execute("DROP SCHEMA IF EXISTS eventlog CASCADE")
        admin.execute("DROP SCHEMA public CASCADE")
        admin.execute("CREATE SCHEMA public")
    return shared


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_restart_is_waited_out(server: OwnPostgres, how: signal.Signals) -> None:
    """Callers are refused while it is away; afterwards both go on by themselves, on new connections."""
    with hazards(server.url) as going:
        going.more()
        server.stop(how)
        refused = len(going.refusals)
        going.until("a refusal", lambda: len(going.refusals) > refused)
        server.start()
        going.more()


def test_killed_backends_cost_nothing_but_a_second_try(server: OwnPostgres) -> None:
    """Whichever statement or commit a connection is cut in, its caller asks again and the row is there once."""
    with hazards(server.url) as going, psycopg.connect(server.url, autocommit=True) as admin:
        for cut in range(300):
            known = len(going.accepted)
            going.until("something accepted", lambda known=known: len(going.accepted) > known)
            admin.execute(OTHERS.encode())
            # Of a cut in use a caller hears, of one after a rest nobody does.
            if going.refusals and cut >= 15:
                break
        assert going.refusals
        going.more()


def test_no_connection_left_is_a_refusal_and_ends_with_it(server: OwnPostgres) -> None:
    """While others hold every connection nothing is accepted and nothing hangs; then it goes on."""
    with hazards(server.url) as going, ExitStack() as held:
        going.more()
        admin = held.enter_context(psycopg.connect(server.url, autocommit=True))
        refused = len(going.refusals)
        while len(going.refusals) < refused + 5:
            admin.execute(f"{OTHERS} AND application_name <> 'holder'".encode())
            with suppress(psycopg.OperationalError):
                while True:
                    one = psycopg.connect(server.url, application_name="holder", connect_timeout=5)
                    held.enter_context(one)
        held.close()
        going.more()


def test_a_stranger_s_open_transaction_holds_nothing_up(server: OwnPostgres) -> None:
    """A snapshot held for long, and a number of a transaction that never ends, keep no event from its sink."""
    with hazards(server.url) as going, psycopg.connect(server.url) as stranger:
        going.more()
        stranger.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        stranger.execute("CREATE TABLE IF NOT EXISTS notes (id int)")
        stranger.execute("SELECT count(*) FROM event_logs")
        stranger.execute("SELECT count(*) FROM eventlog.events")
        going.more()
        going.more()
        stranger.rollback()


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_clock_put_back_by_an_hour_stops_nothing(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The log's own order decides what comes next, and no wait is counted from an hour that is to come again."""
    url = request.getfixturevalue("server").url if store == "postgresql" else f"sqlite:///{tmp_path}/log.sqlite"
    with hazards(url, url if store == "postgresql" else f"sqlite:///{tmp_path}/warehouse.sqlite") as going:
        going.more()
        going.offset = -HOUR
        going.more()
        going.offset = 0.0
        going.more()


def test_a_full_disk_under_postgresql_is_waited_out() -> None:
    """While it is full nothing is accepted; what was accepted before is there when it runs again."""
    with small_disk(160) as disk, own_postgres(folder=disk) as server, hazards(server.url) as going:
        going.more()
        filler = disk / "filler"
        _fill(filler, 1_000_000, going)
        filler.unlink()
        if not server.answers():
            server.stop()
            server.start()
        going.more()


def test_a_full_disk_under_sqlite_is_waited_out() -> None:
    """While it is full nothing is accepted; then the same files go on."""
    with small_disk(16) as disk, hazards(f"sqlite:///{disk}/log.sqlite", f"sqlite:///{disk}/rows.sqlite") as going:
        going.more()
        filler = disk / "filler"
        _fill(filler, 100_000, going)
        filler.unlink()
        going.more()


def _fill(filler: Path, step: int, going: Hazards) -> None:
    """Fill the disk until callers have been refused for a while."""
    refused = len(going.refusals)
    with filler.open("wb", buffering=0) as file:
        while len(going.refusals) < refused + 5:
            with suppress(OSError):
                file.write(b"x" * step)
