"""What has happened: trigger instances, enforcements, executions, traces, keys. One SQLite file, safe when killed."""

from __future__ import annotations

import json
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Document = dict[str, Any]

_SCHEMA = """
create table if not exists executions (
    id text primary key, parent text, action text not null, status text not null, rule text, trigger_instance text,
    trigger_type text, runner text, user text, start_timestamp text not null, document text not null) without rowid;
create index if not exists executions_parent on executions (parent) where parent is not null;
create index if not exists executions_status on executions (status);
create index if not exists executions_action on executions (action, id);
create index if not exists executions_rule on executions (rule, id) where rule is not null;
create index if not exists executions_instance on executions (trigger_instance) where trigger_instance is not null;
create table if not exists trigger_instances (
    id text primary key, trigger_type text not null, status text not null, trace_tag text not null,
    document text not null) without rowid;
create index if not exists trigger_instances_type on trigger_instances (trigger_type, id);
create index if not exists trigger_instances_pending on trigger_instances (id) where status = 'pending';
create table if not exists enforcements (
    id text primary key, rule_ref text not null, trigger_instance text not null, execution text,
    document text not null) without rowid;
create index if not exists enforcements_rule on enforcements (rule_ref, id);
create index if not exists enforcements_trigger_instance on enforcements (trigger_instance);
create index if not exists enforcements_execution on enforcements (execution) where execution is not null;
create table if not exists traces (
    id text primary key, trace_tag text not null, start_timestamp text not null) without rowid;
create index if not exists traces_tag on traces (trace_tag);
create table if not exists trace_parts (
    trace text not null, kind text not null, object_id text not null, document text not null);
create index if not exists trace_parts_trace on trace_parts (trace);
create index if not exists trace_parts_object on trace_parts (object_id);
create table if not exists keys (
    scope text not null, name text not null, expires text, document text not null, primary key (scope, name));
create table if not exists rules (ref text primary key, document text not null) without rowid;
"""
FINAL = ("succeeded", "failed", "timeout", "abandoned", "canceled")


class Store:
    """Rows of JSON documents, with the columns that lists are filtered by. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        # A kill of this process loses nothing; only the machine's own crash could cost the last commits.
        self._database.execute("pragma synchronous = normal")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def put_execution(self, document: Mapping[str, Any]) -> None:
        """Insert an execution, or replace it."""
        columns = (
            document["id"],
            document.get("parent"),
            document["action"]["ref"],
            document["status"],
            document.get("rule", {}).get("name"),
            document.get("trigger_instance", {}).get("id"),
            document.get("trigger_type", {}).get("ref"),
            document["runner"],
            document["context"].get("user"),
            document["start_timestamp"],
            json.dumps(document),
        )
        self._write("insert or replace into executions values (?,?,?,?,?,?,?,?,?,?,?)", columns)

    def execution(self, id_: str) -> Document | None:
        """Give one execution."""
        return self._one("select document from executions where id = ?", (id_,))

    def children(self, parent: str) -> list[Document]:
        """Give an execution's direct children, oldest first."""
        return self._all("select document from executions where parent = ? order by id", (parent,))

    def child_ids(self, parent: str) -> list[str]:
        """Give the ids of an execution's direct children, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "select id from executions where parent = ? order by id", (parent,)
            ).fetchall()
        return [row[0] for row in rows]

    def unfinished(self) -> list[Document]:
        """Give the executions that have no final status, oldest first."""
        marks = ",".join("?" * len(FINAL))
        query = f"select document from executions where status not in ({marks}) order by id"  # noqa: S608 question marks
        return self._all(query, FINAL)

    def put_trigger_instance(self, document: Mapping[str, Any], trace_tag: str) -> None:
        """Insert a trigger instance, or replace it."""
        values = (document["id"], document["trigger"], document["status"], trace_tag, json.dumps(document))
        self._write("insert or replace into trigger_instances values (?,?,?,?,?)", values)

    def pending_instances(self) -> list[tuple[Document, str]]:
        """Give the trigger instances that no rule has been matched with yet, with their trace tags."""
        with self._lock:
            rows = self._database.execute(
                "select document, trace_tag from trigger_instances where status = 'pending' order by id"
            ).fetchall()
        return [(json.loads(document), tag) for document, tag in rows]

    def put_enforcement(self, document: Mapping[str, Any]) -> None:
        """Insert a rule enforcement."""
        values = (
            document["id"],
            document["rule"]["ref"],
            document["trigger_instance_id"],
            document.get("execution_id"),
            json.dumps(document),
        )
        self._write("insert or replace into enforcements values (?,?,?,?,?)", values)

    def page(
        self, table: str, filters: Mapping[str, Any], limit: int, offset: int, *, newest_first: bool
    ) -> tuple[list[Document], int]:
        """Give one page of a table's documents, and how many match in all; a filter of None wants the column empty.

        Tables and columns are no input.
        """
        where = " and ".join(f"{column} is ?" for column in filters) or "1"
        order = "desc" if newest_first else "asc"
        values = tuple(filters.values())
        with self._lock:
            total = self._database.execute(f"select count(*) from {table} where {where}", values).fetchone()[0]  # noqa: S608 constants of the routes
            query = f"select document from {table} where {where} order by id {order} limit ? offset ?"  # noqa: S608 as above
            rows = self._database.execute(query, (*values, limit, offset)).fetchall()
        return [json.loads(row[0]) for row in rows], total

    def one(self, table: str, id_: str) -> Document | None:
        """Give one document of a table by its id."""
        return self._one(f"select document from {table} where id = ?", (id_,))  # noqa: S608 as page

    # Traces

    def new_trace(self, id_: str, trace_tag: str, at: str) -> None:
        """Begin a trace: StackStorm begins one for each webhook call, even under a tag that is known."""
        self._write("insert into traces values (?,?,?)", (id_, trace_tag, at))

    def add_to_trace(self, trace: str, kind: str, part: Mapping[str, Any]) -> None:
        """Add a trigger instance, a rule or an action execution to a trace."""
        self._write("insert into trace_parts values (?,?,?,?)", (trace, kind, part["object_id"], json.dumps(part)))

    def trace_of(self, object_id: str) -> str | None:
        """Give the trace that something belongs to."""
        with self._lock:
            row = self._database.execute("select trace from trace_parts where object_id = ?", (object_id,)).fetchone()
        return row[0] if row else None

    def traces(self, trace_tag: str | None, id_: str | None = None) -> list[Document]:
        """Give the traces of a tag, or one by its id, oldest first, each with its parts."""
        query = "select id, trace_tag, start_timestamp from traces"
        with self._lock:
            if id_ is not None:
                found = self._database.execute(f"{query} where id = ?", (id_,)).fetchall()
            elif trace_tag is not None:
                found = self._database.execute(f"{query} where trace_tag = ? order by id", (trace_tag,)).fetchall()
            else:
                found = self._database.execute(f"{query} order by id desc limit 100").fetchall()
            return [self._trace(*row) for row in found]

    def _trace(self, id_: str, trace_tag: str, start: str) -> Document:
        parts: dict[str, list[Document]] = {"trigger_instances": [], "rules": [], "action_executions": []}
        rows = self._database.execute("select kind, document from trace_parts where trace = ? order by rowid", (id_,))
        for kind, document in rows.fetchall():
            parts[kind].append(json.loads(document))
        return {"trace_tag": trace_tag, **parts, "start_timestamp": start, "id": id_}

    # Keys and changed rules

    def put_key(self, scope: str, document: Mapping[str, Any]) -> None:
        """Insert a datastore key, or replace it."""
        values = (scope, document["name"], document.get("expire_timestamp"), json.dumps(document))
        self._write("insert or replace into keys values (?,?,?,?)", values)

    def key(self, scope: str, name: str, now: str) -> Document | None:
        """Give a key that has not expired."""
        return self._one(
            "select document from keys where scope = ? and name = ? and (expires is null or expires > ?)",
            (scope, name, now),
        )

    def keys(self, prefix: str, now: str) -> list[Document]:
        """Give the keys that begin with a prefix, by name."""
        return self._all(
            "select document from keys where substr(name, 1, length(?)) = ? and (expires is null or expires > ?)"
            " order by name",
            (prefix, prefix, now),
        )

    def delete_key(self, scope: str, name: str) -> None:
        """Forget a key."""
        self._write("delete from keys where scope = ? and name = ?", (scope, name))

    def put_rule(self, ref: str, document: Mapping[str, Any]) -> None:
        """Remember a rule that was changed by a request: it wins over the pack's file until the pack is registered."""
        self._write("insert or replace into rules values (?,?)", (ref, json.dumps(document)))

    def changed_rules(self) -> dict[str, Document]:
        """Give the rules that were changed by requests."""
        with self._lock:
            rows = self._database.execute("select ref, document from rules").fetchall()
        return {ref: json.loads(document) for ref, document in rows}

    def forget_rule(self, ref: str) -> None:
        """Let the pack's file speak again."""
        self._write("delete from rules where ref = ?", (ref,))

    def _write(self, statement: str, values: Sequence[Any]) -> None:
        with self._lock:
            self._database.execute(statement, values)

    def _one(self, query: str, values: Sequence[Any]) -> Document | None:
        with self._lock:
            row = self._database.execute(query, values).fetchone()
        return json.loads(row[0]) if row else None

    def _all(self, query: str, values: Sequence[Any]) -> list[Document]:
        with self._lock:
            rows = self._database.execute(query, values).fetchall()
        return [json.loads(row[0]) for row in rows]
