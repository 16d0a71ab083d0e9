"""The datastore's keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.store.database import Database, Document

_SCHEMA = """
create table if not exists keys (
    scope text not null, name text not null, expires text, document text not null, primary key (scope, name));
"""


class KeyRows:
    """The table of keys, by scope and by the name that is unique in it; a key that has expired is not there."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def put(self, scope: str, name: str, document: Mapping[str, Any]) -> None:
        """Insert a key, or replace it."""
        values = (scope, name, document.get("expire_timestamp"), json.dumps(document))
        self._database.write("insert or replace into keys values (?,?,?,?)", values)

    def get(self, scope: str, name: str, now: str) -> Document | None:
        """Give a key that has not expired."""
        return self._database.document(
            "select document from keys where scope = ? and name = ? and (expires is null or expires > ?)",
            (scope, name, now),
        )

    def beginning_with(self, scope: str, prefix: str, now: str) -> list[Document]:
        """Give the keys of a scope that begin with a prefix, by name."""
        return self._database.documents(
            "select document from keys where scope = ? and substr(name, 1, length(?)) = ?"
            " and (expires is null or expires > ?) order by name",
            (scope, prefix, prefix, now),
        )

    def delete(self, scope: str, name: str) -> None:
        """Forget a key."""
        self._database.write("delete from keys where scope = ? and name = ?", (scope, name))

    def purge(self, now: str) -> None:
        """Delete the keys that have expired, secrets among them."""
        self._database.write("delete from keys where expires <= ?", (now,))
