"""The databases that a crash run writes to, and what is in its warehouse at the end."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg

from eventbus.wire import GOVERNANCE_RECORDED, LLM_CALL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SQLITE, POSTGRESQL = "sqlite", "postgresql"
STORES: Final = (SQLITE, POSTGRESQL)
POSTGRES_VARIABLE: Final = "REDRIVE_TEST_POSTGRES_URL"
POSTGRES_DEFAULT: Final = "postgresql://postgres@127.0.0.1:5432/postgres"
NAMES: Final = ("ledger", "eventlog", "warehouse")
# Each event has a row in the first table; those of a type named here have one in its table too.
EVERY_EVENT: Final = "event_logs"
OWN_TABLES: Final = {LLM_CALL: "model_cost_logs", GOVERNANCE_RECORDED: "governance_events"}


@contextmanager
def opened(store: str, folder: Path) -> Iterator[dict[str, str]]:
    """Give the URL of each database by its name: files of the folder, or one PostgreSQL database, then dropped."""
    if store == SQLITE:
        yield {name: f"sqlite:///{folder / f'{name}.sqlite'}" for name in NAMES}
        return
    server = os.environ.get(POSTGRES_VARIABLE) or POSTGRES_DEFAULT
    fresh = f"redrive_bench_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{fresh}"'.encode())
        try:
            yield dict.fromkeys(NAMES, urlunsplit(urlsplit(server)._replace(path=f"/{fresh}")))
        finally:
            admin.execute(f'DROP DATABASE IF EXISTS "{fresh}" WITH (FORCE)'.encode())


def ids_in(url: str, table: str) -> list[str]:
    """List the event id of every row of a table of the warehouse; one that is there twice comes twice."""
    return [str(UUID(str(row[0]))) for row in _rows(url, f"SELECT id FROM {table}")]  # noqa: S608 - a name from above


def count(url: str) -> int:
    """Count the rows that every event has one of."""
    (row,) = _rows(url, f"SELECT count(*) FROM {EVERY_EVENT}")  # noqa: S608 - a name from above
    return int(row[0])


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    if url.startswith(SQLITE):
        with closing(sqlite3.connect(urlsplit(url).path[1:], timeout=30)) as connection:
            return connection.execute(query).fetchall()
    with psycopg.connect(url) as server:
        return server.execute(query.encode()).fetchall()
