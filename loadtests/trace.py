"""The trace that demo and load tests replay: one hour of calls to a production chat service (see data/README.md)."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from itertools import islice
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
SHIPPED: Final = "data/azure_llm_2023_conv.csv.gz"


class TraceError(ValueError):
    """A trace that cannot be read: says which line and column, what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the trace: when it came in (UTC, to the microsecond), and its tokens in and out."""

    timestamp: datetime
    context_tokens: int
    generated_tokens: int


def read_trace(path: Path | None = None, limit: int | None = None) -> Iterator[Call]:
    """Stream the first `limit` calls (None: all) of a trace, CSV or CSV in `.gz`; the shipped one without a path.

    Raises TraceError at the first line that is malformed, and OSError where the file cannot be opened.
    """
    with _opened(path) as (name, lines):
        rows = csv.reader(lines)
        try:
            _check_header(name, next(rows, []))
            for row in islice(rows, limit):
                yield _call(f"{name}, line {rows.line_num}", row)
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TraceError(
                f"{name}, after line {rows.line_num}: expected CSV, got {error}; fetch it again"
            ) from error


@contextmanager
def _opened(path: Path | None) -> Iterator[tuple[str, IO[str]]]:
    source = files("loadtests").joinpath(SHIPPED) if path is None else path
    with source.open("rb") as raw:
        data = gzip.GzipFile(fileobj=raw) if source.name.endswith(".gz") else raw
        # Bytes that are no text stay visible, so that the error can show them with their line and column.
        with io.TextIOWrapper(data, encoding="utf-8-sig", errors="backslashreplace", newline="") as lines:
            yield source.name, lines


def _check_header(name: str, header: Sequence[str]) -> None:
    if tuple(header) != COLUMNS:
        raise TraceError(f"{name}, line 1: expected the columns {','.join(COLUMNS)}, got {','.join(header) or 'none'}")


def _call(place: str, row: Sequence[str]) -> Call:
    if len(row) != len(COLUMNS):
        raise TraceError(f"{place}: expected {len(COLUMNS)} columns ({','.join(COLUMNS)}), got {len(row)}")
    return Call(_time(place, row[0]), _tokens(place, COLUMNS[1], row[1]), _tokens(place, COLUMNS[2], row[2]))


def _time(place: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise TraceError(f"{place}, column {COLUMNS[0]}: expected a UTC time, got {text!r}") from error


def _tokens(place: str, column: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise TraceError(f"{place}, column {column}: expected a whole number of tokens, got {text!r}")
    return int(text)
