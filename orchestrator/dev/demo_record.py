"""The record of one arm of a demo: what provider, worker and result backend wrote down, in one SQLite file.

Rows are streamed in, and asked with SQL: the memory this takes does not grow with the trace. Times are seconds since
the epoch. A call is its index in the trace.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from orchestrator.dev.demo_plan import PLAN_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SCHEMA: Final = """
CREATE TABLE requests (at REAL, call INTEGER, status INTEGER, kind TEXT, answer TEXT);
CREATE TABLE runs (at REAL, call INTEGER, attempt TEXT, outcome TEXT, answer TEXT);
CREATE TABLE results (call INTEGER PRIMARY KEY, state TEXT);
CREATE TABLE costs (answer TEXT);
CREATE TABLE waiting (call INTEGER PRIMARY KEY);
CREATE TABLE prompts (call INTEGER, hash TEXT, matched TEXT);
"""
INDEXES: Final = """
CREATE INDEX requests_call ON requests (call);
CREATE INDEX requests_answer ON requests (answer);
CREATE INDEX runs_call ON runs (call);
CREATE INDEX runs_answer ON runs (answer);
CREATE INDEX costs_answer ON costs (answer);
CREATE INDEX prompts_call ON prompts (call);
CREATE INDEX prompts_hash ON prompts (hash);
CREATE INDEX prompts_matched ON prompts (matched);
CREATE VIEW met AS SELECT DISTINCT call, kind FROM requests WHERE kind != '-'
  UNION SELECT DISTINCT call, 'killed' FROM runs WHERE outcome = 'killed';
CREATE VIEW received AS SELECT DISTINCT answer FROM runs WHERE answer != '-';
CREATE VIEW unheard AS SELECT answer, call, kind FROM requests
  WHERE answer != '-' AND answer NOT IN (SELECT answer FROM runs);
"""
_RESULTS: Final = (
    "INSERT INTO results SELECT call_of(task_id), status FROM backend.celery_taskmeta WHERE task_id BETWEEN ? AND ?"
)
CALL_MASK: Final = 2**32 - 1


@dataclass(slots=True)
class Record:
    """One record, open until closed."""

    connection: sqlite3.Connection

    @classmethod
    def of(cls, folder: Path, plan: Path, answers: Iterable[str] = (), waiting: Iterable[str] = ()) -> Record:
        """Build the record of the arm in `folder`.

        `answers` are the ids of the answers that the warehouse has a cost of; `waiting` the ids of the tasks that wait
        for a person.
        """
        path = folder / "record.sqlite"
        path.unlink(missing_ok=True)
        record = cls(sqlite3.connect(path))
        record.connection.executescript(SCHEMA)
        record.connection.create_function("call_of", 1, call_of, deterministic=True)
        record.connection.execute("ATTACH ? AS plan", (str(plan / PLAN_FILE),))
        record.connection.execute("ATTACH ? AS backend", (str(folder / "results.sqlite"),))
        record.fill(folder, answers, waiting)
        return record

    def fill(self, folder: Path, answers: Iterable[str], waiting: Iterable[str]) -> None:
        """Stream everything in."""
        self._insert("requests", _lines(folder / "provider.txt"))
        self._insert("runs", _lines(folder / "runs.txt"))
        self._insert("costs", ((each,) for each in answers))
        self._insert("waiting", ((call_of(each),) for each in waiting))
        span = json.loads((folder / "feed.json").read_text())
        self.connection.execute(_RESULTS, (span["first"], span["last"]))
        self.connection.executescript(INDEXES)
        self.connection.commit()

    def add_prompts(self, prompts: Iterator[Sequence[Any]]) -> None:
        """Stream in what became of prompts: call, hash, and the hash of the one it is nearly the same as."""
        self._insert("prompts", prompts)
        self.connection.commit()

    def _insert(self, table: str, rows: Iterator[Sequence[Any]]) -> None:
        first = next(rows, None)
        if first is None:
            return
        statement = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(first))})"  # noqa: S608 - our own table names
        self.connection.execute(statement, first)
        self.connection.executemany(statement, rows)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Give all rows of a query whose answer is small."""
        return self.connection.execute(query, values).fetchall()

    def number(self, query: str, *values: Any) -> float:
        """Give the one number that a query answers with; 0 for NULL."""
        return self.connection.execute(query, values).fetchone()[0] or 0

    def close(self) -> None:
        """Close it; the file stays."""
        self.connection.close()


def call_of(task_id: str) -> int:
    """Tell the index of a call by the id of its task, whose last four bytes are it."""
    return UUID(task_id).int & CALL_MASK


def _lines(path: Path) -> Iterator[Sequence[Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield line.split()
