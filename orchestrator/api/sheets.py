"""Failures as CSV (RFC 4180), for a spreadsheet: text that a task brought is text there too, and no formula."""

from __future__ import annotations

import csv
import unicodedata
from datetime import datetime
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CSV: Final = "text/csv"
COLUMNS: Final = (
    "id",
    "task_id",
    "task",
    "state",
    "kind",
    "why",
    "reason",
    "incident_id",
    "dependency",
    "queue",
    "organization",
    "arguments",
    "occurred_at",
    "closed_at",
    "worker",
    "exception_type",
    "exception_message",
    "idempotent",
    "tries",
    "not_redrivable",
)
# What makes a spreadsheet take a cell for a formula, in both widths (OWASP, CSV Injection).
FORMULA: Final = tuple("=+-@＝＋－＠")  # noqa: RUF001 - the wide ones are meant
ENDS: Final = frozenset("\r\n\t\x0b\x0c\x85\u2028\u2029")
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs"})


def sheet(pages: Iterable[Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """Give failures, as they are listed, as CSV: the names of the columns, then a piece for each page."""
    yield _lines([COLUMNS])
    for page in pages:
        yield _lines(map(_row, page))


def _lines(rows: Iterable[Iterable[str]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _row(listed: Mapping[str, Any]) -> Iterator[str]:
    flat = {**listed} | {f"exception_{name}": value for name, value in listed["exception"].items()}
    return (cell(flat[name]) for name in COLUMNS)


def cell(value: object) -> str:
    """Give a value as a cell. Ends of lines become spaces, other characters that are not seen are left out; where a
    spreadsheet would compute it, an apostrophe stands before it.
    """
    if value is None or value == {}:
        return ""
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    text = orjson.dumps(value).decode() if isinstance(value, dict) else str(value)
    shown = text if text.isprintable() else _visible(text)
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) else shown


def _visible(text: str) -> str:
    kept = (each for each in text if each in ENDS or unicodedata.category(each) not in HIDDEN)
    return "".join(" " if each in ENDS else each for each in kept)
