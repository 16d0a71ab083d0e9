"""Rules that requests made, changed or removed: each wins over its pack's file until the pack is registered again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.store.database import Database, Document

_SCHEMA = """
create table if not exists rules (ref text primary key, document text not null) without rowid;
"""


class RuleRows:
    """The table of changed rules."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def put(self, ref: str, document: Mapping[str, Any] | None) -> None:
        """Remember a rule as a request wants it; None where it was removed."""
        self._database.write("insert or replace into rules values (?,?)", (ref, json.dumps(document)))

    def all(self) -> dict[str, Document | None]:
        """Give every changed rule by its ref; None for a removed one."""
        rows = self._database.rows("select ref, document from rules")
        return {ref: json.loads(document) for ref, document in rows}

    def forget(self, ref: str) -> None:
        """Let the pack's file speak again."""
        self._database.write("delete from rules where ref = ?", (ref,))
