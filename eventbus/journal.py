"""The journal: which runs this worker has in flight, in files that outlive a SIGKILL of all its processes.

Per start of a worker one folder. The main process appends the runs that begin to one file, any process the runs that
end to another; what is even is left behind from time to time. A third file is locked by the main process alone as long
as it lives, which eventbus/remains.py asks for. Nothing is synced to the disk: the files survive every death of a
process; a crash of the machine may lose what was written in its last seconds.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import struct
import threading
import weakref
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus import spool
from eventbus.journal_files import OWNER, Ends, Runs
from eventbus.journal_payload import packed
from eventbus.journal_records import Flight, began, covering, ended, name_of
from eventbus.sqlite_owners import boot_id

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

FOLDER_VARIABLE: Final = "REDRIVE_JOURNAL_DIR"
# How many runs, and how many bytes of them, are written before those that have ended are left behind.
TURN_RUNS: Final = 2048
TURN_BYTES: Final = 4 << 20
_UNSAID_BYTES: Final = 64 << 10


def folder_of(spool_dir: str | Path | None, bus_url: str, base: Path | None = None) -> Path:
    """Give the folder of the journals of one bus's workers: in `base`, else REDRIVE_JOURNAL_DIR, else the spool's."""
    given = base or os.environ.get(FOLDER_VARIABLE) or spool.folder_of(spool_dir) / "journal"
    return spool.folder_for(Path(given), bus_url)


def prefix_of(worker: str) -> str:
    """Give the start of the names of a worker's folders, whatever characters its own name holds."""
    return sha256(worker.encode(errors="replace")).hexdigest()[:16]


def pid_space() -> str:
    """Name what process ids are counted in: this boot, and the pid namespace, of which a container has its own."""
    try:
        return f"{boot_id()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return boot_id()


class Journal:
    """What one worker has in flight. No method raises for a disk that is full or refuses: that is said once."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._lock: int | None = None
        self._runs: Runs | None = None
        self._ends: Ends | None = None
        self._flight = Flight()
        # A signal's handler may come back in on top of a call of its own thread: a cold shutdown runs in one.
        self._guard = threading.RLock()
        self._inside = False
        self._on_top: list[tuple[bytes, bytes, int]] = []
        self._since_turn = 0
        self._turn_at = TURN_BYTES
        self._unsaid = b""
        self._said: set[str] = set()
        _journals.add(self)

    @classmethod
    def open(cls, folder: Path, worker: str, boot: str) -> Journal:
        """Open the journal of the calling process, a worker's main one; `boot` is the uuid of this start of it.

        `folder` is what `folder_of` gives. Children that are forked later write the same journal.
        """
        journal = cls(folder / f"{prefix_of(worker)}-{boot}")
        try:
            journal._make(worker, boot)
        except OSError as error:
            journal._say_once("journal.unwritable", error)
        return journal

    @classmethod
    def join(cls, place: Path) -> Journal:
        """Open the journal that a worker's main process made at `place`, in a child that was executed, not forked."""
        journal = cls(place)
        try:
            journal._ends = Ends.join(place)
        except OSError as error:
            journal._say_once("journal.unwritable", error)
        return journal

    def began(self, key: str, record: Mapping[str, Any]) -> None:
        """Note, in the main process, that a run has begun; `record` is what eventbus.lost.Record says.

        Its message is an event's (a body in base64), or, at less cost, as it came: a body of bytes, raw headers.
        """
        runs = self._runs
        if runs is None:
            return
        name = name_of(key)
        try:
            entry = began(name, *packed(record))
            with self._guard:
                runs.append(entry)
                if self._inside:
                    self._on_top.append((name, entry, runs.turn))
                else:
                    self._count(runs, name, entry)
        except (OSError, TypeError, ValueError, KeyError, struct.error) as error:
            self._say_once("journal.not_written", error)

    def ended(self, key: str) -> None:
        """Note, in whichever process knows it, that a run is over; it may come before its `began`."""
        ends = self._ends
        if ends is None:
            return
        line = ended(name_of(key))
        try:
            ends.append(self._unsaid + line if self._unsaid else line)
            self._unsaid = b""
        except OSError as error:
            if len(self._unsaid) < _UNSAID_BYTES:
                self._unsaid += line  # else a run that is over would count as lost
            self._say_once("journal.not_written", error)

    def close(self) -> None:
        """End the main process's part: without a run in flight the files go, else the next reader finds them."""
        if self._runs is None or self._ends is None:
            return
        for name, entry, _ in self._on_top:
            self._flight.began(name, entry)
        self._flight.ended(self._ends.unread())
        if not self._flight.begun:
            shutil.rmtree(self.place, ignore_errors=True)
        runs, ends, lock = self._runs, self._ends, self._lock
        self._runs = self._ends = self._lock = None
        runs.close()
        ends.close()
        if lock is not None:
            os.close(lock)

    def _make(self, worker: str, boot: str) -> None:
        for folder in (self.place.parents[1], self.place.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.place.mkdir(mode=0o700)
        owner = {"worker": worker, "boot": boot, "host": socket.gethostname(), "pid": os.getpid(), "pids": pid_space()}
        draft = self.place / f"{OWNER}.new"
        self._lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.write(self._lock, b"0" + orjson.dumps(owner))
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        runs, ends = Runs(self.place), Ends.make(self.place, self._lock)
        # Held by every process that has the file, children included, until the last of them is gone.
        fcntl.flock(ends.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(self.place / OWNER)  # from here on readers look at it, and find it locked
        self._runs, self._ends = runs, ends

    def _count(self, runs: Runs, name: bytes, entry: bytes) -> None:
        self._inside = True
        try:
            self._flight.began(name, entry)
            self._since_turn += 1
            if self._since_turn >= TURN_RUNS or runs.size > self._turn_at:
                self._take_turns(runs)
        finally:
            self._count_on_top(runs)
            self._inside = False

    def _count_on_top(self, runs: Runs) -> None:
        """Count what began on top of another call; a file that was left behind meanwhile has not taken it along.

        What comes on top of this is counted here too, or by the next call: nobody else takes from the list.
        """
        while self._on_top:
            name, entry, turn = self._on_top.pop()
            self._flight.began(name, entry)
            if turn != runs.turn:
                runs.append(entry)

    def _take_turns(self, runs: Runs) -> None:
        """Write the file of runs anew without those that have ended, and use the other file of ends."""
        self._since_turn, self._turn_at = 0, runs.size + TURN_BYTES
        ends = self._ends
        if ends is None:
            return
        flight, never_began = self._flight, Counter(self._flight.ends)
        flight.ended(ends.unread())
        flight.ends -= never_began
        entries = [entry for entries in flight.begun.values() for entry in entries]
        runs.replace(b"".join((covering(ends.next_cover(), flight.ends.elements()), *entries)))
        self._turn_at = runs.size + TURN_BYTES
        ends.take_turns()

    def _say_once(self, name: str, why: object) -> None:
        if name not in self._said:
            self._said.add(name)
            log.warning("%s: %s: %r; tasks run on, killed ones may go unnoticed; said once", name, self.place, why)

    def _after_fork(self) -> None:
        """Let go, in a child, of what is the main process's alone: the runs, and the lock that tells that it lives."""
        self._guard, self._inside, self._on_top = threading.RLock(), False, []
        self._flight, self._unsaid = Flight(), b""
        runs, lock, self._runs, self._lock = self._runs, self._lock, None, None
        if runs is not None:
            runs.close()
        if lock is not None:
            os.close(lock)


_journals: Final[weakref.WeakSet[Journal]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for journal in tuple(_journals):
        journal._after_fork()  # noqa: SLF001 - of the same module


os.register_at_fork(after_in_child=_after_fork_in_child)
