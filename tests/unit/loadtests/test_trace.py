"""The shipped trace is whole, and a broken one is refused by line and column."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from loadtests.trace import Call, TraceError, read_trace

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
GOOD = "2023-11-16 18:15:46.6805900,374,44\n"


def test_the_shipped_trace_is_the_whole_one() -> None:
    """The shipped trace holds all 19,366 calls, in the order of their times."""
    calls = list(read_trace())
    assert len(calls) == 19_366
    assert all(first.timestamp <= second.timestamp for first, second in pairwise(calls))
    assert calls[0] == Call(datetime(2023, 11, 16, 18, 15, 46, 680590, tzinfo=UTC), 374, 44)
    assert calls[-1].context_tokens == 197


def test_the_limit_stops_the_stream() -> None:
    """A limit gives the first calls and no more."""
    assert len(list(read_trace(limit=1000))) == 1000
    assert list(read_trace(limit=0)) == []


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    """The trace is streamed: a bad line behind the last call asked for is never met."""
    trace = tmp_path / "trace.csv"
    trace.write_text(HEADER + GOOD + "bad\n")
    assert len(list(read_trace(trace, limit=1))) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", r"line 1: expected the columns TIMESTAMP,.*, got none"),
        (b"time,in,out\n", r"line 1: expected the columns .*, got time,in,out"),
        (HEADER.encode() + b"2023-11-16 18:15:46,1\n", r"line 2: expected 3 columns .*, got 2"),
        (HEADER.encode() + b"yesterday,1,1\n", r"line 2, column TIMESTAMP: expected a UTC time, got 'yesterday'"),
        ((HEADER + GOOD).encode() + b"2023-11-16,-1,1\n", r"line 3, column ContextTokens: .*, got '-1'"),
        ((HEADER + GOOD).encode() + b"2023-11-16,1,\n", r"line 3, column GeneratedTokens: .*, got ''"),
        (HEADER.encode() + b"2023-11-16,1,\xff\n", r"line 2, column GeneratedTokens: .*, got '.*xff'"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, body: bytes, message: str) -> None:
    """A malformed trace is refused with the file, the line, the column, what was expected and what came."""
    trace = tmp_path / "trace.csv"
    trace.write_bytes(body)
    with pytest.raises(TraceError, match=r"trace\.csv, " + message):
        list(read_trace(trace))


PACKED = gzip.compress((HEADER + GOOD * 100).encode(), mtime=0)


@pytest.mark.parametrize("damaged", [PACKED[:10], PACKED[:60], b"no gzip", PACKED[:10] + b"\xff" * 40])
def test_a_damaged_archive_is_refused(tmp_path: Path, damaged: bytes) -> None:
    """A compressed trace that was cut off or damaged ends in an error, never in fewer calls."""
    trace = tmp_path / "trace.csv.gz"
    trace.write_bytes(damaged)
    with pytest.raises(TraceError, match="fetch it again"):
        list(read_trace(trace))
