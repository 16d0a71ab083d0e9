"""What the data plane accepted, in one SQLite file: every delivery, so that duplicates can be seen."""

from __future__ import annotations

import sqlite3
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from orchestrator.dev.dataplane.gateway import Message

TABLES: Final = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY, message_id TEXT NOT NULL, type TEXT NOT NULL, event TEXT, received_at TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_id ON messages (message_id);
"""
COUNTED: Final = "SELECT count(*), count(DISTINCT message_id) FROM messages"
BY_EVENT: Final = "SELECT coalesce(event, type), count(*) FROM messages GROUP BY 1"


class Store:
    """Keeps messages durably; safe to share between threads."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(TABLES)
        self._lock = Lock()

    def keep(self, messages: Iterable[Message], received_at: str) -> None:
        """Keep a whole batch in one commit; a message without an id gets one, as at the real gateway."""
        rows = [
            (str(each.get("messageId") or uuid4()), each["type"], _name(each), received_at, orjson.dumps(each))
            for each in messages
        ]
        with self._lock, self._connection:
            self._connection.executemany(
                "INSERT INTO messages (message_id, type, event, received_at, body) VALUES (?, ?, ?, ?, ?)", rows
            )

    def stats(self) -> dict[str, Any]:
        """Count deliveries, distinct messages, and deliveries by event (by type for calls that carry no event)."""
        with self._lock:
            messages, distinct = self._connection.execute(COUNTED).fetchone()
            by_event = dict(self._connection.execute(BY_EVENT).fetchall())
        return {"messages": messages, "distinct": distinct, "by_event": by_event}

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """List the newest deliveries, newest first, each with the time it was received."""
        query = "SELECT received_at, body FROM messages ORDER BY seq DESC LIMIT ?"
        with self._lock:
            rows = self._connection.execute(query, (limit,)).fetchall()
        return [{"received_at": received_at, "message": orjson.loads(body)} for received_at, body in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def _name(message: Message) -> str | None:
    return str(message["event"]) if message.get("event") else None
