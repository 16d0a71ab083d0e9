"""One SQLite file shared by many processes and threads, each with a connection that survives fork().

A connection must not cross a fork: SQLite's locks belong to the process, so a child that opened the file beside an
inherited connection would hold none. Every connection is closed just before a fork and opened again at its next use.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

from eventbus import sqlite_schema
from eventbus.sqlite_owners import this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Row = tuple[Any, ...]
    Parameters = Row | Mapping[str, Any]

BUSY_SECONDS: Final = 30.0
_OLDEST_SQLITE: Final = (3, 35, 0)  # the first with RETURNING
_WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
_RETRY_SECONDS: Final = 0.02
# As SQLite's own: it looks again soon at first, then less and less often.
_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.1
_PRIMARY: Final = 0xFF  # the part of SQLite's extended error codes that names the kind
_SCHEME: Final = "redrive+sqlite:///"
# kombu splits at ';', leaves '?' and what follows in place, decodes no %-escapes: each could name a file not meant.
_NOT_PLAIN: Final = re.compile(r";|\?|%[0-9A-Fa-f]{2}")

Done = TypeVar("Done")

# One for all files: it also keeps every thread out while a fork is under way, and one file has one writer anyhow.
# Nobody holds it while waiting for another process: a bus that is stuck must not keep the tasks' broker waiting.
_LOCK: Final = threading.RLock()
_FILES: Final[WeakSet[BusFile]] = WeakSet()


class BusFileError(OSError):
    """The bus file cannot be used: says what was expected, what came and what to do."""


def bus_path(url: str) -> Path:
    """Give the file that a bus URL names; raises ValueError when it names none, or could mean another than it seems."""
    path = Path(url.removeprefix(_SCHEME))
    if not url.startswith(_SCHEME) or not path.is_absolute() or _NOT_PLAIN.search(url):
        msg = (
            f"expected a URL like {_SCHEME}/abs/path/bus.sqlite, got {url!r};"
            " write one absolute path as it is, without ';', '?' and %-escapes"
        )
        raise ValueError(msg)
    return path


class BusFile:
    """A handle on the bus file: short statements, each a transaction, and longer ones by `transaction`.

    Raises BusFileError when the file cannot be opened or is no bus file, sqlite3.OperationalError when it stays locked
    for `BUSY_SECONDS` or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._owner: int | None = None
        self._durable: bool | None = None
        with _LOCK:
            _FILES.add(self)

    def open(self) -> None:
        """Open the file now instead of at the first statement, and make it when it is not there."""
        with _LOCK:
            self._connected()

    def close(self) -> None:
        """Close the connection; a later statement opens it again."""
        with _LOCK:
            connection, self._connection = self._connection, None
            self._owner = self._durable = None
            if connection is not None:
                connection.close()

    def read(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a query; it waits for no writer."""
        return _patiently(lambda: self._connected().execute(sql, parameters).fetchall())

    def write(self, sql: str, parameters: Parameters = (), *, durable: bool) -> tuple[int, list[Row]]:
        """Run one statement as a transaction; give the number of rows it changed and the rows it returned.

        Durable means synchronous FULL: once this returns, neither a crash nor a power cut undoes it. What is not
        durable (synchronous NORMAL) survives every crash of a process, and may be undone by a power cut.
        """

        def write() -> tuple[int, list[Row]]:
            cursor = self._set_durable(durable).execute(sql, parameters)
            return max(cursor.rowcount, 0), cursor.fetchall()

        return _patiently(write)

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Hold the write lock over several statements; an exception undoes them."""
        connection = _patiently(lambda: self._begin(durable))
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        else:
            connection.execute("COMMIT")
        finally:
            _LOCK.release()

    def _begin(self, durable: bool) -> sqlite3.Connection:  # noqa: FBT001 - private, and its caller names it
        """Begin a transaction; the lock of this process is held once more afterwards, until it ends."""
        connection = self._set_durable(durable)
        connection.execute("BEGIN IMMEDIATE")
        _LOCK.acquire()
        return connection

    def owner(self) -> int:
        """Give the number under which this process holds leases, consumers and exclusive queues."""
        with _LOCK:
            known = self._owner
        if known is not None:
            return known
        number = self._enrol()
        with _LOCK:
            self._owner = number
        return number

    def _enrol(self) -> int:
        me = this_process()
        names = (me.boot, me.pid, me.started)
        self.write("INSERT OR IGNORE INTO owner (boot, pid, started) VALUES (?, ?, ?)", names, durable=False)
        ((number,),) = self.read("SELECT id FROM owner WHERE boot = ? AND pid = ? AND started = ?", names)
        return int(number)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self.path)
        return self._connection

    def _set_durable(self, durable: bool) -> sqlite3.Connection:  # noqa: FBT001 - private, and its callers name it
        connection = self._connected()
        if self._durable is not durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        return connection


def _patiently(act: Callable[[], Done]) -> Done:
    """Act under the lock of this process; where another process writes, wait without it and try again."""
    deadline, pause = time.monotonic() + BUSY_SECONDS, _FIRST_PAUSE
    while True:
        with _LOCK:
            try:
                return act()
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & _PRIMARY == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _connect(path: Path) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        msg = (
            f"expected SQLite 3.35 or newer, got {sqlite3.sqlite_version}; use a Python that is built with a newer one"
        )
        raise BusFileError(msg)
    if not path.parent.is_dir():
        msg = f"expected a folder for the bus file {path}, got none at {path.parent}; make it"
        raise BusFileError(msg)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        msg = f"expected to open the bus file {path}, got: {error}; let this user read and write file and folder"
        raise BusFileError(msg) from error
    try:
        _prepare(connection, path)
        connection.execute("PRAGMA busy_timeout = 0")  # from here on `_patiently` waits
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.create_function("topic_matches", 2, sqlite_schema.topic_matches, deterministic=True)
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
    try:
        version = sqlite_schema.version_of(connection)
        if version == 0:
            _use_wal(connection)
            sqlite_schema.create(connection)
            version = sqlite_schema.version_of(connection)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        msg = f"expected a bus file at {path}, got: {error}; name another file"
        raise BusFileError(msg) from error
    if version != sqlite_schema.VERSION:
        what = "another kind of SQLite file" if version is None else f"a bus file of version {version}"
        msg = f"expected a bus file of version {sqlite_schema.VERSION} at {path}, got {what}; name another file"
        raise BusFileError(msg)


def _use_wal(connection: sqlite3.Connection) -> None:
    # The switch to WAL does not wait for a lock as statements do, and several processes may make the file at once.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _before_fork() -> None:
    _LOCK.acquire()
    for file in tuple(_FILES):
        file.close()


os.register_at_fork(before=_before_fork, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)
