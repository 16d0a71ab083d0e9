"""The bus file: what it accepts, what it promises a writer, and how it survives forks."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from eventbus.sqlite_file import BusFile, BusFileError, bus_path

FORK = multiprocessing.get_context("fork")
INSERT = "INSERT INTO message (queue, priority, head, body) VALUES (?, 0, '', '')"
COUNT = "SELECT count(*) FROM message"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the bus file of a test is."""
    return tmp_path / "a bus.sqlite"


def put(path: Path, times: int) -> None:
    """Insert rows through a handle of one's own."""
    file = BusFile(path)
    for number in range(times):
        file.write(INSERT, (str(number),), durable=True)


def test_a_url_names_one_absolute_path() -> None:
    """The path stands in the URL as it is, spaces too."""
    assert bus_path("redrive+sqlite:////var/my bus/b#1.sqlite") == Path("/var/my bus/b#1.sqlite")


@pytest.mark.parametrize("rest", ["///relative", "/", "////a;b", "////a?mode=ro", "////a%20b", "localhost"])
def test_a_url_that_could_mean_another_file_is_refused(rest: str) -> None:
    """What kombu would split, or leave undecoded, is refused with the way to write it."""
    with pytest.raises(ValueError, match="expected a URL like redrive"):
        bus_path(f"redrive+sqlite:{rest}")


def test_a_missing_folder_is_named(path: Path) -> None:
    """The error names the folder that is missing."""
    with pytest.raises(BusFileError, match="make it"):
        BusFile(path.parent / "no" / "bus.sqlite").open()


def test_a_file_that_is_no_bus_is_left_alone(path: Path) -> None:
    """Neither a text, nor another application's database, nor a bus of another version is touched."""
    path.write_text("not a database, and longer than a header of SQLite, which has one hundred bytes" * 2)
    with pytest.raises(BusFileError, match="expected a bus file"):
        BusFile(path).open()
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (id)")
    with pytest.raises(BusFileError, match="another kind of SQLite file"):
        BusFile(path).open()
    assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    newer = path.with_name("newer.sqlite")
    BusFile(newer).open()
    with sqlite3.connect(newer) as other:
        other.execute("PRAGMA user_version = 9")
    with pytest.raises(BusFileError, match="version 9"):
        BusFile(newer).open()


def test_durable_means_synchronous_full(path: Path) -> None:
    """A durable write is synced by its commit; a lease is not, and loses nothing by it."""
    file = BusFile(path)
    file.write(INSERT, ("a",), durable=True)
    assert file.read("PRAGMA synchronous") == [(2,)]
    file.write("DELETE FROM message", durable=False)
    assert file.read("PRAGMA synchronous") == [(1,)]
    assert file.read("PRAGMA journal_mode") == [("wal",)]


def test_a_transaction_that_fails_changes_nothing(path: Path) -> None:
    """An exception inside a transaction undoes it."""
    file = BusFile(path)
    with pytest.raises(sqlite3.IntegrityError), file.transaction(durable=True) as connection:
        connection.executemany(INSERT, [("a",), (None,)])
    assert file.read(COUNT) == [(0,)]


def test_processes_may_make_the_file_at_once(path: Path) -> None:
    """Several processes that open a bus which does not exist yet make one, together."""
    children = [FORK.Process(target=put, args=(path, 20)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert BusFile(path).read(COUNT) == [(80,)]


def put_inherited(file: BusFile) -> None:
    """Use a parent's handle in a child, under the child's own name."""
    if file._connection is not None:
        os._exit(3)
    for number in range(50):
        file.write(INSERT, (str(number),), durable=False)
    file.owner()


def test_a_handle_survives_forks_while_threads_use_it(path: Path) -> None:
    """A child never inherits an open connection; parent, its threads and children go on with the same handle."""
    file = BusFile(path)
    done = threading.Event()

    def write_on() -> None:
        while not done.is_set():
            file.write(INSERT, ("thread",), durable=False)

    thread = threading.Thread(target=write_on)
    thread.start()
    mine = file.owner()
    children = [FORK.Process(target=put_inherited, args=(file,)) for _ in range(3)]
    for child in children:
        child.start()
        file.write(INSERT, ("parent",), durable=True)
    for child in children:
        child.join()
    done.set()
    thread.join()
    assert [child.exitcode for child in children] == [0] * 3
    assert file.owner() == mine
    assert file.read(f"{COUNT} WHERE queue <> 'thread'") == [(3 * 50 + 3,)]
    assert file.read("SELECT count(*) FROM owner") == [(4,)]
    assert file.read("PRAGMA integrity_check") == [("ok",)]


def test_a_writer_that_waits_for_one_file_keeps_nobody_from_another(path: Path, tmp_path: Path) -> None:
    """While another process holds one file, this one writes to a second file and forks; then the first gets its row."""
    stuck, other = BusFile(path), BusFile(tmp_path / "another bus.sqlite")
    stuck.open()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=stuck.write, args=(INSERT, ("waits",)), kwargs={"durable": True})
    waiting.start()
    other.write(INSERT, ("goes",), durable=True)
    child = FORK.Process(target=put, args=(other.path, 1))
    child.start()
    child.join()
    assert waiting.is_alive()
    holder.execute("ROLLBACK")
    waiting.join()
    assert child.exitcode == 0
    assert other.read(COUNT) == [(2,)]
    assert stuck.read(COUNT) == [(1,)]
    holder.close()


def test_who_waits_too_long_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that stays locked is an error in the end, and the lock of this process is free afterwards."""
    monkeypatch.setattr("eventbus.sqlite_file.BUSY_SECONDS", 0.1)
    file = BusFile(path)
    file.open()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"), file.transaction(durable=False):
        pass
    holder.close()
    free = threading.Thread(target=file.write, args=(INSERT, ("goes",)), kwargs={"durable": False})
    free.start()
    free.join()
    assert file.read(COUNT) == [(1,)]
