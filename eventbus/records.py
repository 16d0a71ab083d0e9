"""Records of a spool's file: one letter each, with a mark, a checksum and the time when it was written.

The mark holds a byte that no UTF-8 text has, so that whoever meets a damaged record finds the next one by it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

from eventbus.letters import BATCH_EVENTS, Letter

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK: Final = b"\xffRD1"
# Mark, length and crc32 of what follows; then the time in seconds since 1970, flags, the routing key, and the event.
_HEAD: Final = struct.Struct("<4sII")
_BODY: Final = struct.Struct("<dBB")
_DROPPABLE: Final = 1
LONGEST: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter read back: when it was written, and where in the buffer its record ends."""

    letter: Letter
    written_at: float
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands at the start of a buffer: whole records; or, without any, so many damaged bytes to skip."""

    kept: Sequence[Kept]
    skip: int = 0

    @property
    def size(self) -> int:
        """Count the bytes of the records."""
        return self.kept[-1].end if self.kept else 0

    @property
    def letters(self) -> list[Letter]:
        """List the letters."""
        return [each.letter for each in self.kept]


def pack(letter: Letter, now: float) -> bytes:
    """Give the record of one letter, written at `now` (seconds since 1970)."""
    key = letter.routing_key.encode()
    payload = _BODY.pack(now, _DROPPABLE if letter.droppable else 0, len(key)) + key + letter.body
    return _HEAD.pack(MARK, len(payload), crc32(payload)) + payload


def read(buffer: bytes, *, most: int = BATCH_EVENTS) -> Reading:
    """Read records, at most so many, up to the first that is not whole; if that is the very first, tell what to skip.

    A record may be cut off by the end of the buffer: `skip` is right only when the buffer holds LONGEST bytes or ends
    where the file does.
    """
    kept: list[Kept] = []
    at = 0
    while len(kept) < most and (record := _record_at(buffer, at)) is not None:
        kept.append(record)
        at = record.end
    return Reading(kept, 0 if kept or not buffer else _damage(buffer))


def _record_at(buffer: bytes, at: int) -> Kept | None:
    start = at + _HEAD.size
    if start > len(buffer):
        return None
    mark, length, checksum = _HEAD.unpack_from(buffer, at)
    if mark != MARK or not _BODY.size <= length <= LONGEST or start + length > len(buffer):
        return None
    payload = buffer[start : start + length]
    if crc32(payload) != checksum:
        return None
    written_at, flags, key_length = _BODY.unpack_from(payload)
    split = _BODY.size + key_length
    letter = Letter(payload[_BODY.size : split].decode(), payload[split:], bool(flags & _DROPPABLE))
    return Kept(letter, written_at, start + length)


def _damage(buffer: bytes) -> int:
    """Count the bytes before the next whole record, all of them when there is none."""
    at = buffer.find(MARK, 1)
    while at >= 0 and _record_at(buffer, at) is None:
        at = buffer.find(MARK, at + 1)
    return at if at >= 0 else len(buffer)
