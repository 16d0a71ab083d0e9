"""What is written together is kept together, in a transaction of its own or in the one that goes on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from orchestrator.stackstorm.embedded.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUT = "insert into things values (?)"


class Broken(Exception):
    """Something went wrong in the middle."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with a table of one column."""
    found = Database(tmp_path / "state.db")
    found.create("create table things (name text primary key);")
    yield found
    found.close()


def names(database: Database) -> list[str]:
    """Give what is kept."""
    return [row[0] for row in database.rows("select name from things order by name")]


def test_what_is_written_together_outside_of_a_transaction_is_kept_as_a_whole_or_not_at_all(database: Database) -> None:
    """It is a transaction then."""
    with suppress(Broken), database.together():
        database.write(PUT, ("lost",))
        raise Broken
    with database.together():
        database.write(PUT, ("kept",))
    assert names(database) == ["kept"]


def test_what_is_written_together_inside_a_transaction_stands_and_falls_with_it(database: Database) -> None:
    """The inner transaction of a turn undoes it, and what was written before that turn stays."""
    with database.transaction():
        database.write(PUT, ("before",))
        with suppress(Broken), database.transaction():
            with database.together():
                database.write(PUT, ("lost",))
            raise Broken
        with database.transaction(), database.together():
            database.write(PUT, ("after",))
    assert names(database) == ["after", "before"]
