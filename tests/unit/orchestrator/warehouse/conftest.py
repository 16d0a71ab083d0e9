"""A warehouse on each database, for the tests of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from orchestrator.domain.events import Delivered
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.warehouse.schema import STORE, migrate
from tests.events import stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.events import EventRecord


class Warehouse:
    """A migrated warehouse, its sink, and what is in it."""

    def __init__(self, url: str) -> None:
        migrate(url)
        self.url = url
        self.sink = WarehouseSink(url)
        self.engine = STORE.open(url)

    def deliver(self, *records: EventRecord) -> None:
        """Deliver a batch, and see that it was taken."""
        assert self.sink.deliver(stored(*records)) == Delivered()

    def rows(self, table: sa.Table | str, order: str = "1") -> list[dict[str, Any]]:
        """Read a table, or a view by its name, without what is NULL."""
        view = sa.text(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608 - names of our own schema
        query = view if isinstance(table, str) else sa.select(table)
        with self.engine.connect() as connection:
            found = connection.execute(query).mappings()
            return [{name: value for name, value in row.items() if value is not None} for row in found]

    def execute(self, statement: str) -> None:
        """Run one statement and commit it."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def close(self) -> None:
        """Close every connection."""
        self.sink.close()
        self.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/warehouse.sqlite"
    address: str = request.getfixturevalue("postgres")
    return address


@pytest.fixture
def warehouse(empty_url: str) -> Iterator[Warehouse]:
    """A migrated warehouse of each kind."""
    made = Warehouse(empty_url)
    yield made
    made.close()


@pytest.fixture
def postgres_warehouse(postgres: str) -> Iterator[Warehouse]:
    """A migrated warehouse in PostgreSQL."""
    made = Warehouse(postgres)
    yield made
    made.close()
