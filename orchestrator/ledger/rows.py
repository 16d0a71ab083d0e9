"""What the parts of a transaction share: the connection, and inserts that leave an existing row alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Table


class Rows:
    """The base of each group of verbs: one connection, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _insert_new(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert a row unless its key is taken; True when it was new."""
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table).values(**row).on_conflict_do_nothing()
        return self._connection.execute(statement).rowcount == 1
