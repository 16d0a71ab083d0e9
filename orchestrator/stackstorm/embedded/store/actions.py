"""Actions that requests made, changed or deleted: each wins over its pack's file until the pack is registered again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.store.database import Database, Document

_SCHEMA = """
create table if not exists actions (ref text primary key, document text not null) without rowid;
"""


class ActionRows:
    """The table of requested actions; a document of None is one that was deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def put(self, ref: str, document: Mapping[str, Any] | None) -> None:
        """Remember an action as a request wants it."""
        self._database.write("insert or replace into actions values (?,?)", (ref, json.dumps(document)))

    def all(self) -> dict[str, Document | None]:
        """Give every requested action by its ref."""
        rows = self._database.rows("select ref, document from actions")
        return {ref: json.loads(document) for ref, document in rows}

    def forget(self, ref: str) -> None:
        """Let the pack's file speak again."""
        self._database.write("delete from actions where ref = ?", (ref,))
