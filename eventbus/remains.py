"""What dead workers left in flight: their journals are claimed by one reader, told, and removed once that is durable.

A reader is the next worker of the same name, or the orchestrator of the same host. Whether a worker's main process
lives is told by the lock that it alone holds; a reader claims a journal by taking that lock. A run whose own process
lives on is waited for: it may still end well.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson

from eventbus.journal import pid_space, prefix_of
from eventbus.journal_files import ENDS, OWNER, RUNS
from eventbus.journal_payload import unpacked
from eventbus.journal_records import Flight, flight_of
from eventbus.sqlite_owners import started_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

_CLAIMS_AT_ONCE: Final = 64
_UNMADE_SECONDS: Final = 3600.0
_OWNER_BYTES: Final = 1 << 16
# Held while locks on journals come and go: a fork in the midst of that would give a child one that nobody knows of.
_LOCK: Final = threading.RLock()
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class LostRun:
    """A run that its worker's death ended: the record that `Journal.began` was given, and whose worker it was.

    Call `told()` once its failure is durably told (`on_kept`): the last one of a journal removes it.
    """

    worker: str
    boot: str
    host: str
    worker_pid: int
    record: dict[str, Any]
    told: Callable[[], None]


class Remains:
    """The journals in a folder whose workers are dead: those of one name, or of any when `worker` is None.

    Only those are claimed that are found dead for `grace` seconds, so that the next worker of the name goes first.
    """

    def __init__(self, folder: Path, *, worker: str | None = None, grace: float = 0.0) -> None:
        self._folder = folder
        self._worker = worker
        self._pattern = "*-*" if worker is None else f"{prefix_of(worker)}-*"
        self._grace = grace
        self._dead_since: dict[Path, float] = {}
        self._claims: dict[Path, _Claim] = {}
        self._said: set[Path] = set()
        _readers.add(self)

    def poll(self) -> list[LostRun]:
        """Give the runs that are found lost now, each once; call it about once a second."""
        self._claims = {place: claim for place, claim in self._claims.items() if not claim.over}
        self._claim_dead()
        return [run for place, claim in self._claims.items() for run in self._found(place, claim)]

    def close(self) -> None:
        """Let go of what is claimed: another reader, or this one later, tells the rest."""
        for claim in self._claims.values():
            claim.release()
        self._claims = {}

    def abandon(self) -> None:
        """Forget, in a forked child, what is claimed: the parent's locks stay the parent's."""
        claims, self._claims = self._claims, {}
        for claim in claims.values():
            claim.over = True
            claim.abandon()

    def _found(self, place: Path, claim: _Claim) -> list[LostRun]:
        try:
            return claim.poll()
        except (OSError, ValueError, KeyError):
            if place not in self._said:
                self._said.add(place)
                log.exception("journal.unreadable: %s", place)
            return []

    def _claim_dead(self) -> None:
        places = sorted(self._folder.glob(self._pattern))
        self._dead_since = {place: at for place, at in self._dead_since.items() if place in places}
        for place in places:
            if place not in self._claims and len(self._claims) < _CLAIMS_AT_ONCE:
                with _LOCK:
                    self._claim(place)

    def _claim(self, place: Path) -> None:
        lock, now = _lock_of(place), time.monotonic()
        if lock is None:
            _sweep(place)
        elif now - self._dead_since.setdefault(place, now) >= self._grace:
            self._claims[place] = _Claim(place, lock, _owner_of(place, lock, self._worker))
        else:
            os.close(lock)


class _Claim:
    """One dead worker's journal, locked for this reader."""

    def __init__(self, place: Path, lock: int, owner: dict[str, Any]) -> None:
        self._place = place
        self._lock: int | None = lock
        self._owner = owner
        self._given: set[bytes] = set()
        self._told: set[bytes] = set()
        self._waiting = True
        self.over = False

    def poll(self) -> list[LostRun]:
        """Give the runs that are lost and were not given yet; none is, once all that live have ended."""
        if not self._waiting or self.over:
            return []
        # Who lives is asked before the files are read: what a process wrote before it went is then in them.
        anybody = self._anybody_lives()
        before = self._flight().begun
        living = {name for name, runs in before.items() if anybody and any(map(self._lives, runs))}
        begun = self._flight().begun
        lost = begun.keys() - living - self._given
        self._given |= lost
        self._waiting = bool(living & begun.keys())
        self._finish()
        return [self._run(key, begun[key][-1]) for key in sorted(lost)]

    def _anybody_lives(self) -> bool:
        """Tell whether any process still has the journal open, in whatever pid namespace."""
        file = os.open(self._place / ENDS[0], os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def _lives(self, payload: bytes) -> bool:
        """Tell whether the process that runs it is there, and no later one under the same id; unknown is yes."""
        if self._owner["pids"] != pid_space():
            return True
        record, uptime = unpacked(payload)
        started = started_at(record.get("pid") or self._owner["pid"])
        return started is not None and (not uptime or not started.isdigit() or int(started) <= uptime * _TICKS)

    def _flight(self) -> Flight:
        return flight_of(self._content(RUNS), (self._content(ENDS[0]), self._content(ENDS[1])))

    def _content(self, name: str) -> bytes:
        path = self._place / name
        return path.read_bytes() if path.exists() else b""  # gone: a reader died while it removed the journal

    def _run(self, key: bytes, payload: bytes) -> LostRun:
        owner = self._owner
        record, _ = unpacked(payload)
        told = partial(self._tell, key)
        return LostRun(owner["worker"], owner["boot"], owner["host"], owner["pid"], record, told)

    def _tell(self, key: bytes) -> None:
        self._told.add(key)
        self._finish()

    def _finish(self) -> None:
        """Remove the journal once nothing in it is untold or waited for."""
        with _LOCK:
            if self.over or self._waiting or not self._given <= self._told:
                return
            self.over = True
        shutil.rmtree(self._place, ignore_errors=True)  # a slow disk holds up no fork
        self.abandon()

    def release(self) -> None:
        """Let another reader claim it, unless it is being removed."""
        with _LOCK:
            if not self.over:
                self.over = True
                self.abandon()

    def abandon(self) -> None:
        """Let go of the lock."""
        with _LOCK:
            lock, self._lock = self._lock, None
            if lock is not None:
                os.close(lock)


def _lock_of(place: Path) -> int | None:
    """Take the lock that a worker's main process holds while it lives; None when somebody has it, or it is gone."""
    try:
        lock = os.open(place / OWNER, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink:
            return lock
    except OSError:
        pass  # a living worker, or another reader
    os.close(lock)
    return None


def _owner_of(place: Path, lock: int, worker: str | None) -> dict[str, Any]:
    """Read whose journal it is; of a file that a crash of the machine has torn, what can be known without it."""
    known = {"worker": worker or "unknown", "boot": place.name.partition("-")[2], "host": socket.gethostname()}
    try:
        return {**known, "pid": 0, "pids": "", **orjson.loads(os.pread(lock, _OWNER_BYTES, 1))}
    except (OSError, ValueError, TypeError) as error:
        log.warning("journal.unreadable: %s: expected whose it is in the file %s, got %r", place, OWNER, error)
        return {**known, "pid": 0, "pids": ""}


def _sweep(place: Path) -> None:
    """Remove what a worker left that was killed while it made its journal, or a reader while it removed one."""
    with suppress(OSError):
        if not (place / OWNER).exists() and time.time() - place.stat().st_mtime > _UNMADE_SECONDS:
            shutil.rmtree(place, ignore_errors=True)


_readers: Final[weakref.WeakSet[Remains]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for reader in tuple(_readers):
        reader.abandon()
    _LOCK.release()


os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_after_fork_in_child)
