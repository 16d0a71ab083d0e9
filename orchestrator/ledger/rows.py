"""What the parts of a transaction share: the connection, the rows it keeps, and inserts that leave a row alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, update

from orchestrator.ledger.codec import (
    attempt_row,
    attempt_value,
    dependency_row,
    dependency_value,
    failure_row,
    failure_value,
    incident_row,
    incident_value,
    ramp_row,
    ramp_value,
    release_row,
    release_value,
    standing_row,
)
from orchestrator.ledger.schema import (
    attempts,
    dependencies,
    evidence,
    failure_arguments,
    failures,
    incidents,
    outbox,
    ramps,
    releases,
)
from orchestrator.ledger.settling import Left, settle, settle_late
from orchestrator.ledger.shelf import Shelf, Stored, upsert
from orchestrator.stores import insert_into

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Table

    from orchestrator.domain.failures import FailureState


# The tables of which rows are kept.
SHELVED: Final = frozenset({incidents, releases, failures, attempts, dependencies, ramps})


class Kept:
    """What one transaction keeps until it is asked for what those rows are a part of, or ends: see shelf.py."""

    def __init__(self) -> None:
        self.incidents = Shelf(incidents, incident_row, incident_value)
        self.releases = Shelf(releases, release_row, release_value)
        self.failures = Shelf(failures, failure_row, failure_value, partly=standing_row)
        self.attempts = Shelf(attempts, attempt_row, attempt_value)
        self.dependencies = Stored(dependencies, dependency_row, dependency_value, key="name")
        self.ramps = Stored(ramps, ramp_row, ramp_value, key="name")
        self.taking_in: dict[tuple[str, str], UUID] = {}
        self.seen: dict[str, bool] = {}
        self.redelivered: dict[UUID, datetime | None] = {}
        # By signature and time; once many enough, it stays so until the transaction ends.
        self.failures_told: dict[tuple[str, datetime], int] = {}
        self.evidence: list[dict[str, Any]] = []
        self.outbox: list[dict[str, Any]] = []
        # Of failures, those that may be searched by; what was there before goes first where they have changed.
        self.arguments: dict[UUID, Mapping[str, str]] = {}
        self.changed_arguments: set[UUID] = set()
        self.left: Left = {}
        self.late: set[UUID] = set()

    def leave(self, failure_id: UUID, state: FailureState) -> None:
        """Have noted of a failure that it is nobody's any more, and how it has closed."""
        self.left.setdefault(state, set()).add(failure_id)

    def put(self, connection: Connection) -> None:
        """Write all that was kept back, what is referred to before what refers to it."""
        for shelf in (self.incidents, self.releases, self.failures, self.attempts, self.dependencies, self.ramps):
            shelf.put(connection)
        if self.left:
            settle(connection, self.left)
            self.left.clear()
        if self.late:
            settle_late(connection, self.late)
            self.late.clear()
        for table, rows in ((evidence, self.evidence), (outbox, self.outbox)):
            if rows:
                connection.execute(insert(table), rows)
                rows.clear()
        self._put_arguments(connection)

    def _put_arguments(self, connection: Connection) -> None:
        if self.changed_arguments:
            connection.execute(
                delete(failure_arguments).where(failure_arguments.c.failure_id.in_(self.changed_arguments))
            )
            self.changed_arguments.clear()
        if self.arguments:
            connection.execute(insert(failure_arguments), [
                {"failure_id": failure_id, "name": name, "value": value}
                for failure_id, values in self.arguments.items()
                for name, value in values.items()
            ])  # fmt: skip
            self.arguments.clear()


class Rows:
    """The base of each group of verbs: one connection, inside one transaction.

    A verb takes `_connection` unless it knows better: what was kept back is written first, and what was read is read
    again afterwards. One that only reads, or that writes to no table of which rows are kept, takes `_reading`. One that
    touches no such table at all, or asks the shelf of its table first, takes `_plain`.
    """

    def __init__(self, connection: Connection) -> None:
        self._plain = connection
        self._kept = Kept()

    @property
    def _connection(self) -> Connection:
        self.put()
        self._kept = Kept()
        return self._plain

    @property
    def _reading(self) -> Connection:
        self.put()
        return self._plain

    def put(self) -> None:
        """Write what was kept back; the transaction that commits next does so."""
        self._kept.put(self._plain)

    def _writing(self, table: Table) -> Connection:
        """Give the connection to write to a table directly: what was read stays true where it is of other tables."""
        return self._connection if table in SHELVED else self._reading

    # Values are handed over beside the statement, not inside it: SQLAlchemy then compiles each statement once.
    def _insert_new(self, table: Table, row: Mapping[str, Any], *, forget: bool = True) -> bool:
        """Insert a row unless its key is taken; True when it was new. What was read of its table is read again,
        unless told.
        """
        connection = self._writing(table) if forget else self._reading
        statement = insert_into(table, connection.dialect).on_conflict_do_nothing()
        return connection.execute(statement, dict(row)).rowcount == 1

    def _update(self, table: Table, row: Mapping[str, Any]) -> None:
        """Store all columns of a row that is there, by its id."""
        changed = {name: value for name, value in row.items() if name != "id"}
        statement = update(table).where(table.c.id == bindparam("key"))
        self._writing(table).execute(statement, changed | {"key": row["id"]})

    def _upsert(self, table: Table, key: str, row: Mapping[str, Any]) -> None:
        """Store a row in the place of the one with the same key."""
        connection = self._writing(table)
        connection.execute(upsert(table, key, row, connection.dialect), dict(row))
