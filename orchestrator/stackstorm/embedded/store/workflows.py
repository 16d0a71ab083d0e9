"""The state of workflows, and the definitions they run by: a file that changes changes no workflow that runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.store.database import Database

_SCHEMA = """
create table if not exists definitions (id text primary key, text text not null) without rowid;
create table if not exists workflows (
    id text primary key, execution text not null, definition text not null, more integer not null, state text not null)
    without rowid;
create index if not exists workflows_execution on workflows (execution);
create index if not exists workflows_more on workflows (id) where more;
"""


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """One workflow execution: the action execution that it belongs to now, and everything its conductor remembers.

    `more`: its next tasks were not all asked for yet.
    """

    id: str
    execution: str
    definition: str
    state: dict[str, Any]
    more: bool = False


class WorkflowRows:
    """The tables of workflow executions and of their definitions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def define(self, text: str) -> str:
        """Keep the text of a definition; gives its id."""
        id_ = hashlib.sha256(text.encode()).hexdigest()
        self._database.write("insert or ignore into definitions values (?,?)", (id_, text))
        return id_

    def definition(self, id_: str) -> str:
        """Give the text of a definition that was kept."""
        text: str = self._database.rows("select text from definitions where id = ?", (id_,))[0][0]
        return text

    def put(self, row: WorkflowRow) -> None:
        """Keep the state of a workflow."""
        values = (row.id, row.execution, row.definition, row.more, json.dumps(row.state))
        self._database.write("insert or replace into workflows values (?,?,?,?,?)", values)

    def of(self, execution: str) -> WorkflowRow | None:
        """Give the workflow that belongs to an action execution."""
        return self._one("execution = ?", execution)

    def get(self, id_: str) -> WorkflowRow | None:
        """Give a workflow by its own id."""
        return self._one("id = ?", id_)

    def with_more(self) -> list[str]:
        """Give the action executions whose workflows have tasks to ask for."""
        return [row[0] for row in self._database.rows("select execution from workflows where more order by id")]

    def _one(self, condition: str, value: str) -> WorkflowRow | None:
        query = f"select id, execution, definition, state, more from workflows where {condition}"  # noqa: S608 constants above
        for id_, execution, definition, state, more in self._database.rows(query, (value,)):
            return WorkflowRow(id_, execution, definition, json.loads(state), bool(more))
        return None
