"""API keys that requests made: only a hash of each is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.store.database import Database, Document

_SCHEMA = """
create table if not exists api_keys (id text primary key, hash text not null unique, document text not null);
"""


class ApiKeyRows:
    """The table of API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def put(self, document: Mapping[str, Any]) -> None:
        """Insert an API key, or replace it."""
        values = (document["id"], document["key_hash"], json.dumps(document))
        self._database.write("insert or replace into api_keys values (?,?,?)", values)

    def with_hash(self, hash_: str) -> Document | None:
        """Give the API key with this hash."""
        return self._database.document("select document from api_keys where hash = ?", (hash_,))

    def one(self, id_: str) -> Document | None:
        """Give one API key by its id."""
        return self._database.document("select document from api_keys where id = ?", (id_,))

    def all(self) -> list[Document]:
        """Give every API key, oldest first."""
        return self._database.documents("select document from api_keys order by id")

    def delete(self, id_: str) -> None:
        """Forget an API key: it opens nothing any more."""
        self._database.write("delete from api_keys where id = ?", (id_,))
