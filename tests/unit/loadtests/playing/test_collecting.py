"""What a run left is read from databases and StackStorm in one shape, whatever keeps it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from loadtests.playing.collecting import Left
from loadtests.stores import id_text, rows

if TYPE_CHECKING:
    from pathlib import Path


def test_ids_look_alike_whatever_keeps_them() -> None:
    """SQLite keeps ids as bytes, as 32 digits and with dashes: all are the same id, and other text stays."""
    known = uuid4()
    assert {id_text(kept) for kept in (known, known.bytes, known.hex, str(known).upper())} == {str(known)}
    assert id_text("chatcmpl-1") == "chatcmpl-1"
    assert id_text(None) is None


def test_a_file_of_sqlite_is_read_and_never_made(tmp_path: Path) -> None:
    """Rows come by column; a file that is not there is an error, not an empty database."""
    file = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE attempts (id TEXT, turn INTEGER)")
        connection.execute("INSERT INTO attempts VALUES ('a', 1)")
    assert rows(f"sqlite:///{file}", "SELECT id, turn FROM attempts") == [{"id": "a", "turn": 1}]
    with pytest.raises(sqlite3.OperationalError):
        rows(f"sqlite:///{tmp_path / 'none.sqlite'}", "SELECT 1")
    assert not (tmp_path / "none.sqlite").exists()


def test_settle_s_outputs_are_added_up() -> None:
    """The sums are over all executions that ended; one without counts adds none, and is counted."""
    outputs = [{"first_attempts": 5, "first_successes": 4}, {"first_attempts": 2, "first_successes": 2}, {}]
    left = Left([], [], [], outputs, [{"key": "k"}], {}, [])
    assert left.settled == {"executions": 3, "first_attempts": 7, "first_successes": 6}
    assert left.accepted == ["k"]
