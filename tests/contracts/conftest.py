"""The ledgers that the contract suites run on: one database of each kind for the session, emptied before each test."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.pool import StaticPool

from orchestrator.ledger.audit_schema import GUARDS
from orchestrator.ledger.schema import STORE, metadata
from orchestrator.ledger.sql import SqlLedger
from tests.services import postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


@pytest.fixture(scope="session")
def ledger_on_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL database that holds the ledger's tables, for the whole session."""
    with postgres_url() as url:
        STORE.migrate(url)
        yield url


@pytest.fixture(scope="session")
def ledger_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a SQLite file that holds the ledger's tables, for the whole session."""
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.sqlite"
    STORE.migrate(url)
    return url


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """Take the triggers away that keep the audit as it is, as its owner can, until the block ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        yield
        connection.execute(text("ALTER TABLE audit ENABLE TRIGGER USER"))
        return
    for name in ("audit_not_changed", "audit_not_deleted", "audit_not_replaced"):
        connection.execute(text(f"DROP TRIGGER {name}"))
    yield
    for statement in GUARDS["sqlite"]:
        connection.execute(text(statement))


def of_another_process(ledger: SqlLedger) -> SqlLedger:
    """Give the ledger as another process has it, without a turn in common; one in memory is nobody else's."""
    return ledger if isinstance(ledger._engine.pool, StaticPool) else SqlLedger(ledger._engine)


def _empty(url: str) -> None:
    engine = STORE.open(url)
    with engine.begin() as connection, unguarded(connection):
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f"DELETE FROM {table.name}"))  # noqa: S608 - a name of our own schema
    engine.dispose()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest) -> Iterator[SqlLedger]:
    """An empty ledger of each kind."""
    if request.param == "memory":
        yield SqlLedger.in_memory()
        return
    url: str = request.getfixturevalue("ledger_on_sqlite" if request.param == "sqlite" else "ledger_on_postgres")
    _empty(url)
    made = SqlLedger.open(url)
    yield made
    made.close()
