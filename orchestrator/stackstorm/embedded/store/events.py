"""Trigger instances, and what the rules made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.store import writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.store.database import Database, Document

_SCHEMA = """
create table if not exists instances (
    id text primary key, trigger_ref text not null, trigger_type text not null, status text not null,
    occurrence_time text not null, document text not null) without rowid;
create index if not exists instances_trigger on instances (trigger_ref, id);
create index if not exists instances_type on instances (trigger_type, id);
create index if not exists instances_time on instances (occurrence_time);
create index if not exists instances_pending on instances (id) where status = 'pending';
create table if not exists rule_enforcements (
    id text primary key, rule_ref text not null, rule_id text not null, instance text not null, execution text,
    enforced_at text not null, document text not null) without rowid;
create index if not exists rule_enforcements_rule on rule_enforcements (rule_ref, id);
create index if not exists rule_enforcements_time on rule_enforcements (enforced_at);
create index if not exists rule_enforcements_instance on rule_enforcements (instance);
create index if not exists rule_enforcements_execution on rule_enforcements (execution) where execution is not null;
"""
INSTANCES, ENFORCEMENTS = "instances", "rule_enforcements"


class EventRows:
    """The tables of trigger instances and of rule enforcements."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def put_instance(self, document: Mapping[str, Any], trigger_type: str) -> None:
        """Insert a trigger instance."""
        values = (
            document["id"],
            document["trigger"],
            trigger_type,
            document["status"],
            document["occurrence_time"],
            writing.text(document),
        )
        self._database.write("insert into instances values (?,?,?,?,?,?)", values)

    def set_status(self, document: Mapping[str, Any]) -> None:
        """Store a trigger instance's new status."""
        values = (document["status"], writing.text(document), document["id"])
        self._database.write("update instances set status = ?, document = ? where id = ?", values)

    def pending(self) -> list[Document]:
        """Give the trigger instances that not all rules have been matched with, oldest first."""
        return self._database.documents("select document from instances where status = 'pending' order by id")

    def put_enforcement(self, document: Mapping[str, Any]) -> None:
        """Insert a rule enforcement."""
        values = (
            document["id"],
            document["rule"]["ref"],
            document["rule"]["id"],
            document["trigger_instance_id"],
            document.get("execution_id"),
            document["enforced_at"],
            writing.text(document),
        )
        self._database.write("insert into rule_enforcements values (?,?,?,?,?,?,?)", values)

    def enforcements_of(self, instance: str) -> list[Document]:
        """Give what was enforced for a trigger instance."""
        return self._database.documents("select document from rule_enforcements where instance = ?", (instance,))

    def page(self, table: str, wanted: Mapping[str, Any], limit: int, offset: int) -> tuple[list[Document], int]:
        """Give one page of INSTANCES or ENFORCEMENTS, newest first, and how many there are in all.

        `wanted` maps a column with a comparison (`status =`) to its value; neither it nor the table is input.
        """
        where = " and ".join(f"{comparison} ?" for comparison in wanted) or "1"
        values = tuple(wanted.values())
        total = self._database.rows(f"select count(*) from {table} where {where}", values)[0][0]  # noqa: S608 constants of the routes
        query = f"select document from {table} where {where} order by id desc limit ? offset ?"  # noqa: S608 as above
        return self._database.documents(query, (*values, limit, offset)), total

    def one(self, table: str, id_: str) -> Document | None:
        """Give one document of INSTANCES or ENFORCEMENTS."""
        return self._database.document(f"select document from {table} where id = ?", (id_,))  # noqa: S608 one of two constants
