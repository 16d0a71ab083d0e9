"""What one transaction has read of a table and will write to it: each row is read once, and written once.

A batch of a storm reads and changes the same incident, ramp and dependency at each of its events. Since one transaction
writes at a time (orchestrator/ledger/sql.py), what was read stays true until it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import bindparam, select, update

from orchestrator.stores import insert_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Connection, Row, Table
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql import Executable

Value = TypeVar("Value")


@dataclass(slots=True)
class Shelf(Generic[Value]):
    """The values of one table by their key. `partly` are the columns that are written where no others changed."""

    table: Table
    row_of: Callable[[Value], Mapping[str, Any]]
    value_of: Callable[[Row[Any]], Value]
    key: str = "id"
    partly: Callable[[Value], Mapping[str, Any]] | None = None
    known: dict[Any, Value | None] = field(default_factory=dict)
    _new: dict[Any, Value] = field(default_factory=dict)
    _changed: dict[Any, Value] = field(default_factory=dict)
    _partly_changed: dict[Any, Value] = field(default_factory=dict)

    def look_up(self, connection: Connection, key: Any) -> Value | None:  # noqa: ANN401 - as the table has it
        """Give a value by its key, read if it was not yet."""
        if key not in self.known:
            self.recall(connection, [key])
        return self.known[key]

    def recall(self, connection: Connection, keys: Iterable[Any]) -> None:
        """Read the values with these keys that were not read yet, and note which are not there."""
        column = self.table.c[self.key]
        missing = {key for key in keys if key not in self.known}
        if missing:
            self.known |= dict.fromkeys(missing)
            # All at once: each row fetched by itself lets other threads in between.
            for row in connection.execute(select(self.table).where(column.in_(missing))).all():
                self.known[getattr(row, self.key)] = self.value_of(row)

    def learn(self, key: Any, value: Value) -> Value:  # noqa: ANN401 - as the table has it
        """Keep a value that another query has read."""
        return self.known.setdefault(key, value) or value

    @property
    def unwritten(self) -> int:
        """Count the rows that are there already and differ from their values by now."""
        return len(self._changed) + len(self._partly_changed)

    def forget(self, keys: Iterable[Any]) -> None:
        """Have these values read again, after all was written and somebody changed their rows."""
        for key in keys:
            self.known.pop(key, None)

    def add(self, key: Any, value: Value) -> None:  # noqa: ANN401 - as the table has it
        """Have a new value inserted."""
        self.known[key] = self._new[key] = value

    def save(self, key: Any, value: Value, *, whole: bool = True) -> None:  # noqa: ANN401 - as the table has it
        """Have a value updated; `whole` False: nothing has changed but what `partly` gives."""
        self.known[key] = value
        if key in self._new:
            self._new[key] = value
        elif whole or key in self._changed or self.partly is None:
            self._changed[key] = value
            self._partly_changed.pop(key, None)
        else:
            self._partly_changed[key] = value

    def put(self, connection: Connection) -> None:
        """Write what is new and what has changed."""
        if self._new:
            connection.execute(insert_into(self.table, connection.dialect), self._rows(self._new, self.row_of))
        if self._changed:
            self._update(connection, self._rows(self._changed, self.row_of))
        if self._partly_changed and self.partly:
            self._update(connection, self._rows(self._partly_changed, self.partly))
        self._new.clear()
        self._changed.clear()
        self._partly_changed.clear()

    def _rows(self, values: Mapping[Any, Value], row_of: Callable[[Value], Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [dict(row_of(value)) for value in values.values()]

    def _update(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["its_key"] = row.pop(self.key)
        names = [name for name in rows[0] if name != "its_key"]
        statement = update(self.table).where(self.table.c[self.key] == bindparam("its_key"))
        connection.execute(statement.values({name: bindparam(name) for name in names}), rows)


class Stored(Shelf[Value]):
    """A shelf of rows that are stored in the place of what was, whether anything was or not."""

    def _update(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        connection.execute(upsert(self.table, self.key, rows[0], connection.dialect), rows)


def upsert(table: Table, key: str, row: Mapping[str, Any], dialect: Dialect) -> Executable:
    """Make the statement that stores rows with these columns in the place of those with the same key."""
    statement = insert_into(table, dialect)
    newer = {name: statement.excluded[name] for name in row if name != key}
    return statement.on_conflict_do_update(index_elements=[key], set_=newer)
