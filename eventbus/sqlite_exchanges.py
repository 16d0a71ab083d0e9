"""Exchanges, queues, bindings and consumers of the server-less bus: in its file, so that every process sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eventbus.sqlite_queues import delete_queue

if TYPE_CHECKING:
    from eventbus.sqlite_file import BusFile

EXCHANGE_TYPES: Final = frozenset({"direct", "topic", "fanout"})
_ABANDONED: Final = """
    SELECT 1 FROM queue WHERE name = ? AND auto_delete AND used
    AND NOT EXISTS (SELECT 1 FROM consumer WHERE consumer.queue = queue.name)"""


class DeclarationError(Exception):
    """A declaration that contradicts what the file holds, or asks for what this bus does not have."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How a queue ends: exclusive, with the process that declared it; auto_delete, with its last consumer."""

    exclusive: bool = False
    auto_delete: bool = False


class Exchanges:
    """What is declared in a bus file."""

    def __init__(self, file: BusFile) -> None:
        self._file = file

    def declare_exchange(self, name: str, kind: str) -> None:
        """Keep an exchange; raises DeclarationError for an unknown type, or when it exists with another type."""
        if kind not in EXCHANGE_TYPES:
            msg = f"expected exchange {name!r} to be one of {sorted(EXCHANGE_TYPES)}, got {kind!r}; use one of these"
            raise DeclarationError(msg)
        self._file.write("INSERT OR IGNORE INTO exchange VALUES (?, ?)", (name, kind), durable=True)
        if (known := self.type_of(name)) != kind:
            msg = f"expected exchange {name!r} to stay {known!r}, got {kind!r}; delete the exchange first, or rename it"
            raise DeclarationError(msg)

    def type_of(self, exchange: str) -> str | None:
        """Give an exchange's type; None when there is no such exchange."""
        rows = self._file.read("SELECT type FROM exchange WHERE name = ?", (exchange,))
        return str(rows[0][0]) if rows else None

    def delete_exchange(self, name: str) -> None:
        """Forget an exchange and its bindings; the queues stay."""
        with self._file.transaction(durable=True) as connection:
            connection.execute("DELETE FROM binding WHERE exchange = ?", (name,))
            connection.execute("DELETE FROM exchange WHERE name = ?", (name,))

    def declare_queue(self, name: str, options: QueueOptions) -> None:
        """Keep a queue; an older one stays as it is. Raises DeclarationError if it is exclusive to another process."""
        owner = self._file.owner() if options.exclusive or options.auto_delete else None
        self._file.write(
            "INSERT OR IGNORE INTO queue (name, exclusive, auto_delete, owner) VALUES (?, ?, ?, ?)",
            (name, options.exclusive, options.auto_delete, owner),
            durable=True,
        )
        if self.is_locked(name):
            msg = f"expected queue {name!r} to be free, got one that is exclusive to another process; stop that process"
            raise DeclarationError(msg)

    def has_queue(self, name: str) -> bool:
        """Tell whether a queue is declared."""
        return bool(self._file.read("SELECT 1 FROM queue WHERE name = ?", (name,)))

    def is_locked(self, name: str) -> bool:
        """Tell whether a queue is exclusive to another process."""
        rows = self._file.read("SELECT owner FROM queue WHERE name = ? AND exclusive", (name,))
        return bool(rows) and rows[0][0] != self._file.owner()

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete a queue with all it holds, if the conditions are met; give the number of messages that waited."""
        with self._file.transaction(durable=True) as connection:
            used = "SELECT 1 FROM consumer WHERE queue = ?"
            filled = "SELECT 1 FROM message WHERE queue = ? AND owner IS NULL LIMIT 1"
            conditions = [sql for sql, asked in ((used, if_unused), (filled, if_empty)) if asked]
            if any(connection.execute(sql, (name,)).fetchone() for sql in conditions):
                return 0
            return delete_queue(connection, name)

    def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Route an exchange's messages to a queue; raises DeclarationError when there is no such exchange or queue."""
        with self._file.transaction(durable=True) as connection:
            if self.type_of(exchange) is None or not self.has_queue(queue):
                msg = (
                    f"expected exchange {exchange!r} and queue {queue!r} to exist, got one missing; declare both first"
                )
                raise DeclarationError(msg)
            connection.execute("INSERT OR IGNORE INTO binding VALUES (?, ?, ?)", (exchange, routing_key, queue))

    def unbind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Route them no longer."""
        sql = "DELETE FROM binding WHERE exchange = ? AND routing_key = ? AND queue = ?"
        self._file.write(sql, (exchange, routing_key, queue), durable=True)

    def bindings(self) -> list[tuple[str, str, str]]:
        """List every (queue, exchange, routing key)."""
        rows = self._file.read("SELECT queue, exchange, routing_key FROM binding")
        return [(queue, exchange, routing_key) for queue, exchange, routing_key in rows]

    def add_consumer(self, queue: str) -> int:
        """Note that this process consumes a queue; give the consumer's number."""
        owner = self._file.owner()
        with self._file.transaction(durable=False) as connection:
            connection.execute("UPDATE queue SET used = 1 WHERE name = ? AND NOT used", (queue,))
            added = connection.execute(
                "INSERT INTO consumer (queue, owner) VALUES (?, ?) RETURNING id",
                (queue, owner),
            )
            return int(added.fetchone()[0])

    def remove_consumer(self, consumer: int, queue: str) -> None:
        """Note that it does no longer; an auto-delete queue goes with its last consumer."""
        mine = (consumer, self._file.owner())
        with self._file.transaction(durable=False) as connection:
            connection.execute("DELETE FROM consumer WHERE id = ? AND owner = ?", mine)
            if connection.execute(_ABANDONED, (queue,)).fetchone():
                delete_queue(connection, queue)

    def consumers(self, queue: str) -> int:
        """Count the consumers of a queue, in all processes."""
        ((number,),) = self._file.read("SELECT count(*) FROM consumer WHERE queue = ?", (queue,))
        return int(number)
