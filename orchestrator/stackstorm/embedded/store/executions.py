"""Executions: a narrow table to filter lists by, and beside it what was asked, how far that is, what came of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.store import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.stackstorm.embedded.store.database import Database, Document, Row

# What changes after an execution was asked for; the rest is written once.
PROGRESS: Final = ("status", "context", "log", "end_timestamp", "elapsed_seconds", "result_size")
FILTERS: Final = (
    "liveaction", "parent", "action", "runner", "user", "rule", "trigger", "trigger_type", "trigger_instance",
    "start_timestamp", "status",
)  # fmt: skip
_SCHEMA = f"""
create table if not exists executions (
    id text primary key, {", ".join(f"{name} text" for name in FILTERS)}, due real) without rowid;
create index if not exists executions_parent on executions (parent, id);
create index if not exists executions_status on executions (status, id);
create index if not exists executions_action on executions (action, id);
create index if not exists executions_start on executions (start_timestamp, id);
create table if not exists execution_documents (
    id text primary key, asked text not null, progress text not null, result text) without rowid;
"""
_INSERT = f"insert into executions values ({', '.join('?' * (len(FILTERS) + 2))})"  # noqa: S608 question marks
_FULL = "d.asked, d.progress, d.result"
_WITHOUT_RESULT = "d.asked, d.progress, null"
_FROM = "from executions e join execution_documents d on d.id = e.id"


class ExecutionRows:
    """The tables of executions. `due` is when a delay or a time to live ends, in seconds since the epoch."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def insert(self, document: Mapping[str, Any], due: float | None = None) -> None:
        """Keep a new execution."""
        asked = {name: value for name, value in document.items() if name not in PROGRESS and name != "result"}
        self._database.write(_INSERT, (document["id"], *_filters(document), due))
        self._database.write(
            "insert into execution_documents values (?,?,?,?)",
            (document["id"], writing.text(asked), _progress(document), _result(document)),
        )

    def move(self, document: Mapping[str, Any], due: float | None = None) -> None:
        """Keep how far an execution is now."""
        self._database.write(
            "update executions set status = ?, due = ? where id = ?", (document["status"], due, document["id"])
        )
        self._database.write(
            "update execution_documents set progress = ?, result = ? where id = ?",
            (_progress(document), _result(document), document["id"]),
        )

    def get(self, id_: str) -> Document | None:
        """Give one execution."""
        return next(iter(self._documents(f"select {_FULL} {_FROM} where e.id = ?", (id_,))), None)

    def status(self, id_: str) -> str | None:
        """Give the status of one execution."""
        rows = self._database.rows("select status from executions where id = ?", (id_,))
        return rows[0][0] if rows else None

    def under_way(self, action: str) -> int:
        """Count the executions of an action that are scheduled or run."""
        # The plus keeps SQLite from counting all that there ever were of the action.
        query = "select count(*) from executions where status in ('scheduled', 'running') and +action = ?"
        return int(self._database.rows(query, (action,))[0][0])

    def newest(self) -> str | None:
        """Give the id of the execution that was asked for last."""
        rows = self._database.rows("select max(id) from executions")
        return rows[0][0] if rows else None

    def page(
        self, where: Sequence[tuple[str, str, Any]], limit: int, offset: int, *, newest_first: bool, results: bool
    ) -> tuple[list[Document], int]:
        """Give one page of executions, and how many match in all, with their results or without.

        `where` holds (column, SQL operator, value), none of column and operator taken from a request. A value of None
        wants the column empty.
        """
        condition = " and ".join(f"e.{column} {operator} ?" for column, operator, _ in where) or "1"
        values = tuple(value for _, _, value in where)
        total = self._database.rows(f"select count(*) from executions e where {condition}", values)[0][0]  # noqa: S608 constants of the routes
        direction = "desc" if newest_first else "asc"
        by = f"e.start_timestamp {direction}, e.id {direction}" if _timed(where) else f"e.id {direction}"
        order = f"order by {by}"
        chosen = f"select e.id from executions e where {condition} {order} limit ? offset ?"  # noqa: S608 as above
        columns = _FULL if results else _WITHOUT_RESULT
        query = f"select {columns} {_FROM} where e.id in ({chosen}) {order}"
        return self._documents(query, (*values, limit, offset)), total

    def children(self, parent: str) -> list[Document]:
        """Give an execution's direct children, oldest first."""
        return self._documents(f"select {_FULL} {_FROM} where e.parent = ? order by e.start_timestamp, e.id", (parent,))

    def child_ids(self, parent: str) -> list[str]:
        """Give the ids of an execution's direct children, oldest first."""
        rows = self._database.rows("select id from executions where parent = ? order by start_timestamp, id", (parent,))
        return [row[0] for row in rows]

    def child_statuses(self, parent: str) -> list[tuple[str, str, str]]:
        """Give (id, runner, status) of an execution's direct children, oldest first."""
        query = "select id, runner, status from executions where parent = ? order by start_timestamp, id"
        rows = self._database.rows(query, (parent,))
        return [(id_, runner, status) for id_, runner, status in rows]

    def unfinished(self) -> list[tuple[Document, float | None]]:
        """Give the executions that have no final status, oldest first, each with when it is due."""
        final = sorted(statuses.COMPLETED)
        marks = ",".join("?" * len(final))
        query = f"select {_FULL}, e.due {_FROM} where e.status not in ({marks}) order by e.id"
        return [(_document(row[:3]), row[3]) for row in self._database.rows(query, final)]

    def _documents(self, query: str, values: Iterable[Any]) -> list[Document]:
        return [_document(row) for row in self._database.rows(query, tuple(values))]


def _timed(where: Sequence[tuple[str, str, Any]]) -> bool:
    return any(column == "start_timestamp" for column, _, _ in where)


def _filters(document: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        document["liveaction_id"],
        document.get("parent"),
        document["action"]["ref"],
        document["runner"],
        document["context"].get("user"),
        document.get("rule", {}).get("name"),
        document.get("trigger", {}).get("name"),
        document.get("trigger_type", {}).get("name"),
        document.get("trigger_instance", {}).get("id"),
        document["start_timestamp"],
        document["status"],
    )


def _progress(document: Mapping[str, Any]) -> str:
    return writing.text({name: document[name] for name in PROGRESS if name in document})


def _result(document: Mapping[str, Any]) -> str | None:
    return writing.text(document["result"]) if "result" in document else None


def _document(row: Row) -> Document:
    asked, progress, result = row
    document: Document = json.loads(asked)
    document |= json.loads(progress)
    if result is not None:
        document["result"] = json.loads(result)
    return document
