"""Where a worker puts large bodies: the store that was named, in bounded time, else the folder beside the spool.

A store that did not answer in time, or failed, rests for a minute: bodies go to the folder meanwhile. Both folders are
bounded by REDRIVE_CLAIM_BYTES. Nothing here waits for the disk to be synced.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from eventbus import scrub
from eventbus.claims import ABOVE_BYTES, ABOVE_VARIABLE, DRAFT, URL_VARIABLE, YOUNG_SECONDS, Claims, folder_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger(__name__)

BYTES_VARIABLE: Final = "REDRIVE_CLAIM_BYTES"
# In base64, and with all that stands beside it, still under the largest event that leaves (12 MiB).
LARGEST_INLINE: Final = 8 << 20
MOST_BYTES: Final = 1 << 30
_LIMIT: Final = 1 << 50
# Seconds: what a task, or the worker's main process, waits for a store; then, for how long it is not asked again.
PUT_SECONDS: Final = 3.0
REST_SECONDS: Final = 60.0
# Of the time, what goes into counting a folder.
_COUNTING: Final = 0.01


class Store(Protocol):
    """One place for bodies; `put` raises whatever its client raises."""

    def put(self, body: bytes, name: str | None = None) -> dict[str, Any]:
        """Store a body; gives its claim."""


class Resting(OSError):
    """A store that is not asked for now, since it failed a while ago."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one worker, in the order in which they are asked, for bodies of more than `above` bytes."""

    above: int
    stores: Sequence[Store]

    @classmethod
    def of(cls, spool: Path, environ: Mapping[str, str]) -> Self:
        """Read the worker's settings; raises ValueError naming the variable that is wrong."""
        above = _bytes(environ, ABOVE_VARIABLE, ABOVE_BYTES, LARGEST_INLINE)
        most = _bytes(environ, BYTES_VARIABLE, MOST_BYTES, _LIMIT)
        beside, url = _within(str(Path(spool).parent / "claims"), most), environ.get(URL_VARIABLE)
        return cls(above, (Hurried(_within(url, most)), beside) if url else (beside,))

    def put(self, body: bytes, name: str | None = None) -> dict[str, Any] | None:
        """Store a body in the first store that takes it; gives its claim, None where none does."""
        for store in self.stores:
            try:
                return store.put(body, name)
            except Resting:
                continue  # said when it began to rest
            except Exception as error:  # noqa: BLE001 - whatever a store's client raises, the next one is asked
                log.error("claim.not_stored: %d bytes: %s", len(body), scrub.text(repr(error)))  # noqa: TRY400 - said in one line
        return None


class Hurried:
    """A store whose caller waits for it no longer than `seconds`, and not at all for `rest` seconds after a failure.

    Each upload has a thread of its own; while one hangs no other is begun.
    """

    def __init__(self, store: Store, seconds: float = PUT_SECONDS, rest: float = REST_SECONDS) -> None:
        self._store = store
        self._seconds = seconds
        self._rest = rest
        self._rests_until = 0.0
        self._hanging: threading.Thread | None = None

    def put(self, body: bytes, name: str | None = None) -> dict[str, Any]:
        """Store a body; raises Resting, TimeoutError, or what the store raises."""
        if time.monotonic() < self._rests_until or (self._hanging is not None and self._hanging.is_alive()):
            raise Resting
        try:
            return self._upload(lambda: self._store.put(body, name))
        except Exception:
            self._rests_until = time.monotonic() + self._rest
            raise

    def _upload(self, put: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        ended: list[dict[str, Any] | Exception] = []

        def run() -> None:
            try:
                ended.append(put())
            except Exception as error:  # noqa: BLE001 - handed to the caller
                ended.append(error)

        uploading = threading.Thread(target=run, name="redrive-claim", daemon=True)
        uploading.start()
        uploading.join(self._seconds)
        if not ended:
            self._hanging = uploading
            raise TimeoutError(f"expected the store to take a body within {self._seconds:g} s: look at it")
        if isinstance(ended[0], Exception):
            raise ended[0]
        return ended[0]


class Room:
    """What may still be written into a folder; it is counted anew as often as that costs next to nothing."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._used = 0
        self._count_at = 0.0

    def take(self, size: int) -> None:
        """Take so many bytes; raises OSError when there is no room for them."""
        began = time.monotonic()
        if began >= self._count_at:
            self._used = _bytes_in(self._folder)
            ended = time.monotonic()
            self._count_at = ended + (ended - began) / _COUNTING
        if self._used + size > self._most:
            raise OSError(
                errno.ENOSPC, f"expected room within {BYTES_VARIABLE} ({self._most}), got {self._used} in use"
            )
        self._used += size


def _within(url: str, most: int) -> Claims:
    folder = folder_at(url)
    return Claims(url) if folder is None else Claims(url, Room(folder, most).take)


def _bytes_in(folder: Path) -> int:
    """Count the bytes of all files; those that a killed process left half written are removed."""
    used = 0
    for path in (Path(place) / name for place, _, names in os.walk(folder) for name in names):
        try:
            found = path.stat()
            if path.name.startswith(DRAFT) and found.st_mtime < time.time() - YOUNG_SECONDS:
                path.unlink()
            else:
                used += found.st_size
        except FileNotFoundError:
            continue  # deleted just now
    return used


def _bytes(environ: Mapping[str, str], variable: str, default: int, most: int) -> int:
    given = environ.get(variable, "").strip() or str(default)
    if not (given.isascii() and given.isdecimal() and 0 < int(given) <= most):
        raise ValueError(f"{variable}: expected bytes from 1 to {most}, got {given!r}")
    return int(given)
