"""What is written in a journal, and what it adds up to: the runs that were begun more often than they ended.

Begun runs are records that the main process alone appends: a mark, the length and crc32 of what follows, kind, key and
payload. Ended runs are lines that any process appends: a newline, the key, and an end mark that a torn line lacks.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Holds a byte that no UTF-8 text has.
MARK: Final = b"\xf9RJ1"
_HEAD: Final = struct.Struct("<4sII")
_INNER: Final = struct.Struct("<cH")
_COVER: Final = struct.Struct("<QQQQ")
_BEGAN, _COVERED = b"b", b"c"
_LINE: Final = re.compile(rb"\n([^\n]+) \.(?=\n)")
_LINE_END: Final = b" .\n"
# No key has it: it names the file's turn.
_TURN: Final = b"\0turn "


class Record(NamedTuple):
    """One record: its kind, the run's key, and where in the buffer its payload is."""

    kind: bytes
    key: bytes
    start: int
    end: int


class Cover(NamedTuple):
    """Up to where each file of ends was counted when the file of runs was written: which turn of it, how many bytes."""

    first_turn: int = 0
    first_bytes: int = 0
    second_turn: int = 0
    second_bytes: int = 0


def name_of(key: str) -> bytes:
    """Give a key as it stands in both kinds of file."""
    name = key.encode("utf-8", "replace")
    return name if b"\n" not in name else name.replace(b"\n", b"\\n")


def began(name: bytes, *payload: bytes) -> bytes:
    """Give the record of a run that began; raises struct.error for a name over 65,535 bytes."""
    return _pack(_BEGAN, name, *payload)


def ended(name: bytes) -> bytes:
    """Give the line of a run that ended."""
    return b"\n%b .\n" % name


def turn(number: int) -> bytes:
    """Give the line that begins a file of ends, on each of its turns."""
    return ended(_TURN + b"%d" % number)


def covering(cover: Cover, early: Iterable[bytes]) -> bytes:
    """Give the record that begins a file of runs; `early` are the ends that were seen before their beginnings."""
    return _pack(_COVERED, b"", _COVER.pack(*cover), b"".join(map(ended, early)))


def _pack(kind: bytes, name: bytes, *payload: bytes) -> bytes:
    inner = b"".join((_INNER.pack(kind, len(name)), name, *payload))
    return _HEAD.pack(MARK, len(inner), crc32(inner)) + inner


def ends_in(lines: bytes) -> tuple[list[bytes], int]:
    """Read whole lines: the names, and how many bytes they took."""
    return _LINE.findall(lines), lines.rfind(_LINE_END) + len(_LINE_END) if _LINE_END in lines else 0


def records(buffer: bytes) -> Iterator[Record]:
    """Read every whole record of a buffer, in order; what is damaged is stepped over."""
    view, size = memoryview(buffer), len(buffer)
    at = 0
    while 0 <= at <= size - _HEAD.size - _INNER.size:
        mark, length, checksum = _HEAD.unpack_from(buffer, at)
        inner = at + _HEAD.size
        end = inner + length
        if mark != MARK or length < _INNER.size or end > size or crc32(view[inner:end]) != checksum:
            at = buffer.find(MARK, at + 1)
            continue
        kind, name_size = _INNER.unpack_from(buffer, inner)
        split = inner + _INNER.size + name_size
        yield Record(kind, buffer[inner + _INNER.size : split], split, end)
        at = end


@dataclass(slots=True)
class Flight:
    """What is in flight: per name what was kept of its begun runs, oldest first; and ends that came before."""

    begun: dict[bytes, list[bytes]] = field(default_factory=dict)
    ends: Counter[bytes] = field(default_factory=Counter)

    def began(self, name: bytes, kept: bytes) -> None:
        """Count a beginning; its end may have been seen before."""
        if self.ends and self.ends[name]:
            self.ended_less(name)
        elif name in self.begun:
            self.begun[name].append(kept)
        else:
            self.begun[name] = [kept]

    def ended_less(self, name: bytes) -> None:
        """Take back one end that came early."""
        self.ends[name] -= 1
        if not self.ends[name]:
            del self.ends[name]

    def ended(self, names: Iterable[bytes]) -> None:
        """Count ends, each of the oldest run of its name."""
        for name in names:
            runs = self.begun.pop(name, None)
            if runs is None:
                self.ends[name] += 1
            elif len(runs) > 1:
                self.begun[name] = runs[1:]


def flight_of(runs: bytes, ends: tuple[bytes, bytes]) -> Flight:
    """Add up a journal's files."""
    flight, cover = Flight(), Cover()
    for kind, name, start, end in records(runs):
        if kind == _BEGAN:
            flight.began(name, runs[start:end])
        elif kind == _COVERED:
            cover = Cover(*_COVER.unpack_from(runs, start))
            flight.ended(_LINE.findall(runs[start + _COVER.size : end]))
    flight.ended(_counted(ends[0], cover.first_turn, cover.first_bytes))
    flight.ended(_counted(ends[1], cover.second_turn, cover.second_bytes))
    return flight


def _counted(lines: bytes, turn_covered: int, bytes_covered: int) -> list[bytes]:
    """Give the ends that a file of runs does not cover yet; none of a file whose turn is over."""
    names = _LINE.findall(lines[bytes_covered:])
    turns = [int(name.removeprefix(_TURN)) for name in _LINE.findall(lines) if name.startswith(_TURN)]
    if max(turns, default=0) < turn_covered:
        return []
    return [name for name in names if not name.startswith(_TURN)]
