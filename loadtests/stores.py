"""Reads what a run left in its databases: SQLite files and PostgreSQL, by the URLs that the orchestrator was given."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
LOCKED_SECONDS: Final = 30.0
# On PostgreSQL the ledger and the event log have a schema each; the warehouse is in the database's own.
SCHEMAS: Final = "-csearch_path=ledger,eventlog,public"


def rows(url: str, query: str) -> list[dict[str, Any]]:
    """Give the rows of a query by column; raises the driver's errors."""
    if urlsplit(url).scheme == SQLITE:
        file = unquote(urlsplit(url).path[1:])
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=LOCKED_SECONDS)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]
    # SQLAlchemy's URL names its driver too, which PostgreSQL's own library does not know.
    server = urlunsplit(urlsplit(url)._replace(scheme=POSTGRESQL))
    with psycopg.connect(server, row_factory=dict_row, options=SCHEMAS) as connection:
        return connection.execute(query.encode()).fetchall()


def id_text(value: object) -> str | None:
    """Give an id as text with dashes, however its database keeps it; other text as it is."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return str(UUID(bytes=value))
    try:
        return str(UUID(str(value)))
    except ValueError:
        return str(value)
