"""Traces: which trigger instances, rules and executions belong together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.store import writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.store.database import Database, Document

_SCHEMA = """
create table if not exists traces (
    id text primary key, trace_tag text not null, start_timestamp text not null) without rowid;
create index if not exists traces_tag on traces (trace_tag);
create index if not exists traces_start on traces (start_timestamp);
create table if not exists trace_parts (
    trace text not null, kind text not null, object_id text not null, document text not null);
create index if not exists trace_parts_trace on trace_parts (trace);
create index if not exists trace_parts_object on trace_parts (object_id);
"""


class TraceRows:
    """The tables of traces and of their parts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def begin(self, id_: str, trace_tag: str, at: str) -> None:
        """Begin a trace: StackStorm begins one for each webhook call, even under a tag that is known."""
        self._database.write("insert into traces values (?,?,?)", (id_, trace_tag, at))

    def add(self, trace: str, kind: str, part: Mapping[str, Any]) -> None:
        """Add a trigger instance, a rule or an action execution to a trace."""
        values = (trace, kind, part["object_id"], writing.text(part))
        self._database.write("insert into trace_parts values (?,?,?,?)", values)

    def of(self, object_id: str) -> tuple[str, str] | None:
        """Give the trace that something belongs to, and its tag."""
        rows = self._database.rows(
            "select traces.id, trace_tag from trace_parts join traces on traces.id = trace where object_id = ?",
            (object_id,),
        )
        return rows[0] if rows else None

    def find(self, id_: str) -> Document | None:
        """Give one trace with its parts."""
        rows = self._database.rows("select id, trace_tag, start_timestamp from traces where id = ?", (id_,))
        return self._trace(*rows[0]) if rows else None

    def page(
        self, trace_tag: str | None, parts: Mapping[str, str], limit: int, offset: int, *, newest_first: bool
    ) -> tuple[list[Document], int]:
        """Give one page of traces with their parts, and how many there are in all.

        `parts` maps a kind of part to the id of the one that a trace must have.
        """
        wanted = ["trace_tag = ?"] if trace_tag is not None else []
        wanted += ["id in (select trace from trace_parts where kind = ? and object_id = ?)"] * len(parts)
        values = [] if trace_tag is None else [trace_tag]
        values += [value for part in parts.items() for value in part]
        where = " and ".join(wanted) or "1"
        order = "desc" if newest_first else "asc"
        total = self._database.rows(f"select count(*) from traces where {where}", values)[0][0]  # noqa: S608 constants
        query = (
            f"select id, trace_tag, start_timestamp from traces where {where} "  # noqa: S608 constants
            f"order by start_timestamp {order}, trace_tag limit ? offset ?"
        )
        return [self._trace(*row) for row in self._database.rows(query, (*values, limit, offset))], total

    def _trace(self, id_: str, trace_tag: str, start: str) -> Document:
        parts: dict[str, list[Document]] = {"trigger_instances": [], "rules": [], "action_executions": []}
        query = "select kind, document from trace_parts where trace = ? order by rowid"
        for kind, document in self._database.rows(query, (id_,)):
            parts[kind].append(json.loads(document))
        return {"trace_tag": trace_tag, **parts, "start_timestamp": start, "id": id_}
