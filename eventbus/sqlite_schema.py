"""The tables of a bus file, and the rule by which a topic exchange matches."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

# "RDRV": tells a bus file from any other SQLite file.
APPLICATION_ID: Final = 0x52445256
VERSION: Final = 1

# In `queue`: owner declared it, kept where the queue ends with its user; used tells that a consumer has been there.
# AUTOINCREMENT: a late acknowledgement must never meet a newer message under its id.
_SCRIPT: Final = """
CREATE TABLE owner (
    id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,
    UNIQUE (boot, pid, started));
CREATE TABLE exchange (name TEXT PRIMARY KEY, type TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE queue (
    name TEXT PRIMARY KEY, exclusive INTEGER NOT NULL, auto_delete INTEGER NOT NULL, owner INTEGER,
    used INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE binding (
    exchange TEXT NOT NULL, routing_key TEXT NOT NULL, queue TEXT NOT NULL,
    PRIMARY KEY (exchange, routing_key, queue)) WITHOUT ROWID;
CREATE TABLE consumer (id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, owner INTEGER NOT NULL);
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, priority INTEGER NOT NULL, owner INTEGER,
    redelivered INTEGER NOT NULL DEFAULT 0, head TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX message_ready ON message (queue, priority DESC, id) WHERE owner IS NULL;
CREATE INDEX message_leased ON message (owner, queue) WHERE owner IS NOT NULL;
INSERT INTO exchange VALUES ('amq.direct', 'direct'), ('amq.topic', 'topic'), ('amq.fanout', 'fanout')
"""


def version_of(connection: sqlite3.Connection) -> int | None:
    """Tell a bus file's version: 0 for an empty file, None for a file that is something else."""
    ((application, version, tables),) = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_application_id, pragma_user_version",
    )
    if application == APPLICATION_ID:
        return int(version)
    return 0 if application == version == tables == 0 else None


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, unless another process was faster."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version_of(connection) == 0:
            for statement in _SCRIPT.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


@lru_cache(maxsize=4096)
def topic_matches(pattern: str, routing_key: str) -> bool:
    """Tell whether a topic binding takes a routing key: `*` is one word, `#` any number (AMQP 0-9-1, 3.1.3.3)."""
    return _words_match(pattern.split("."), routing_key.split(".") if routing_key else [])


def _words_match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(_words_match(rest, words[taken:]) for taken in range(len(words) + 1))
    return bool(words) and first in {"*", words[0]} and _words_match(rest, words[1:])
