"""Claim-check: a body that is too large for an event lies in a store, and the event says where and with which hash.

The store is a folder (a path, or file://), or any URL that fsspec knows (the extra `redrive[claims]`). Content has one
file, named by its hash, whoever stores it and however often. A file is not synced to the disk: a body that a crash of
the machine cut short is told by its size or its hash, and written anew by the next who stores it.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ABOVE_VARIABLE: Final = "REDRIVE_CLAIM_ABOVE"
URL_VARIABLE: Final = "REDRIVE_CLAIM_URL"
# In base64 a body takes a third more; RabbitMQ 4 refuses messages over 16 MiB, and the publisher events over 12.
ABOVE_BYTES: Final = 4 << 20
# A worker that finds its content stored already marks it as used: younger files are not deleted.
YOUNG_SECONDS: Final = 3600.0
# A body that is being written; it gets its name when it is whole.
DRAFT: Final = ".redrive-draft-"
_NAME: Final = re.compile(r"[0-9a-f]{64}")


class ClaimLost(Exception):
    """A body that its claim does not lead to: not there, not reachable, or not the same any more."""


@dataclass(frozen=True, slots=True)
class Claims:
    """One store of bodies, at a path or URL; `room` is told the bytes of a new one, and raises when it has none."""

    url: str
    room: Callable[[int], None] = field(default=lambda _size: None, compare=False)

    def put(self, body: bytes, name: str | None = None) -> dict[str, Any]:
        """Store a body unless it is there; gives the claim {"url", "bytes", "sha256"}. Raises OSError, ImportError.

        `name` (64 hexadecimal digits) takes the place of the content's own hash, where that would tell of it.
        """
        digest = hashlib.sha256(body).hexdigest()
        place = f"{self.url.rstrip('/')}/{(name or digest)[:2]}/{name or digest}"
        stored = _stored_file(_path(place)) if _is_file(place) else _stored_url(place)
        if stored is None or not _intact(stored, body, digest, named=name is not None):
            self.room(len(body))
            stored = body
            _put_file(_path(place), body) if _is_file(place) else _put_url(place, body)
        told = _path(place).absolute().as_uri() if _is_file(place) else place
        return {"url": told, "bytes": len(stored), "sha256": hashlib.sha256(stored).hexdigest()}


def fetch(claim: Mapping[str, Any]) -> bytes:
    """Read a body back; raises ClaimLost saying what was expected, what came and what to do."""
    url = str(claim.get("url"))
    try:
        body = _path(url).read_bytes() if _is_file(url) else _read_url(url)
    except ImportError:
        raise ClaimLost(f"expected to read the body at {url}: install redrive[claims] here") from None
    except Exception as error:
        raise ClaimLost(
            f"expected the message's body at {url}, got {type(error).__name__}; "
            f"let this process reach it, or have workers store bodies where it does ({URL_VARIABLE})"
        ) from error
    if hashlib.sha256(body).hexdigest() != claim.get("sha256"):
        raise ClaimLost(
            f"expected the message's body at {url}, got other bytes: its hash is not the one that was noted"
        )
    return body


def delete(claim: Mapping[str, Any]) -> bool:
    """Delete a body that no failure needs any more; False when it was used within the last hour and stays.

    Ask first that no other failure names the same `url`. Raises ValueError for what is no claim, OSError and whatever
    a store's client raises when it cannot be reached.
    """
    url = str(claim.get("url"))
    if not _NAME.fullmatch(url.rpartition("/")[2]):
        raise ValueError(f"expected the URL of a claim, which ends in its hash, got {url!r}")
    if not _is_file(url):
        system, place = _system(url)
        if system.exists(place):
            system.rm_file(place)
        return True
    path = _path(url)
    try:
        if time.time() - path.stat().st_mtime < YOUNG_SECONDS:
            return False
        path.unlink()
    except FileNotFoundError:
        return True
    return True


def folder_at(url: str) -> Path | None:
    """Give the folder of a store that is one."""
    return _path(url) if _is_file(url) else None


def _intact(stored: bytes, body: bytes, digest: str, *, named: bool) -> bool:
    """Tell whether what lies there is the body, or for a keyed name another sealing of it, as long as this one."""
    return len(stored) == len(body) if named else hashlib.sha256(stored).hexdigest() == digest


def _is_file(url: str) -> bool:
    return "://" not in url or url.startswith("file://")


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path)) if url.startswith("file://") else Path(url)


def _stored_file(path: Path) -> bytes | None:
    try:
        os.utime(path)
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _put_file(path: Path, body: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=DRAFT)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        Path(draft).replace(path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


def _stored_url(url: str) -> bytes | None:
    system, path = _system(url)
    return system.cat_file(path) if system.exists(path) else None


def _put_url(url: str, body: bytes) -> None:
    system, path = _system(url)
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    system.pipe_file(path, body)


def _read_url(url: str) -> bytes:
    system, path = _system(url)
    body: bytes = system.cat_file(path)
    return body


def _system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra: folders work without it

    system, path = url_to_fs(url)
    return system, path
