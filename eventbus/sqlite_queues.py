"""Messages of the server-less bus: published once, leased to a process, acknowledged by that process or freed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eventbus.sqlite_owners import Owner, is_alive

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from eventbus.sqlite_file import BusFile, Row

_PUBLISH_TO_QUEUE: Final = """
    INSERT INTO message (queue, priority, head, body)
    SELECT name, :priority, :head, :body FROM queue WHERE name = :key"""
_PUBLISH_TO_EXCHANGE: Final = """
    INSERT INTO message (queue, priority, head, body)
    SELECT name, :priority, :head, :body FROM queue WHERE name IN (
        SELECT binding.queue FROM exchange JOIN binding ON binding.exchange = exchange.name
        WHERE exchange.name = :exchange AND CASE exchange.type
            WHEN 'fanout' THEN 1
            WHEN 'direct' THEN binding.routing_key = :key
            ELSE topic_matches(binding.routing_key, :key) END)"""
_READY: Final = "SELECT {} FROM message WHERE queue = ? AND owner IS NULL"
_FIRST: Final = _READY.format("id") + " ORDER BY priority DESC, id LIMIT ?"
_RETURNING: Final = " RETURNING id, priority, redelivered, head, body"
_LEASE: Final = "UPDATE message SET owner = ? WHERE id IN (" + _FIRST + ")" + _RETURNING  # noqa: S608 - constants
_TAKE: Final = "DELETE FROM message WHERE id IN (" + _FIRST + ")" + _RETURNING  # noqa: S608 - constants
_ANY: Final = _READY.format("1") + " LIMIT 1"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message to be stored: a head and a body that mean nothing here; the higher priority leaves first."""

    head: str
    body: bytes
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message handed out; `redelivered` when some process may have seen it before."""

    id: int
    head: str
    body: bytes
    redelivered: bool


class Queues:
    """The messages in a bus file: a lease ends by acknowledgement, by release, or by its owner's death."""

    def __init__(self, file: BusFile) -> None:
        self._file = file

    def publish(self, parcel: Parcel, exchange: str, routing_key: str) -> int:
        """Store a copy in each queue that the exchange routes to, durably; give the number of queues.

        The exchange '' routes to the queue named by the routing key.
        """
        sql = _PUBLISH_TO_EXCHANGE if exchange else _PUBLISH_TO_QUEUE
        values = {"priority": parcel.priority, "head": parcel.head, "body": parcel.body}
        return self._file.write(sql, {"exchange": exchange, "key": routing_key, **values}, durable=True)[0]

    def lease(self, queue: str, limit: int) -> list[Delivery]:
        """Lease up to `limit` messages to this process, highest priority first, then oldest."""
        if not self._file.read(_ANY, (queue,)):
            return []
        _, rows = self._file.write(_LEASE, (self._file.owner(), queue, limit), durable=False)
        return _in_order(rows)

    def take(self, queue: str) -> list[Delivery]:
        """Hand out one message and forget it, for a consumer that never acknowledges."""
        if not self._file.read(_ANY, (queue,)):
            return []
        return _in_order(self._file.write(_TAKE, (queue, 1), durable=False)[1])

    def acknowledge(self, message: int) -> None:
        """Delete a message that this process holds; one that it no longer holds stays."""
        self._file.write("DELETE FROM message WHERE id = ? AND owner = ?", (message, self._file.owner()), durable=False)

    def release(self, messages: Iterable[int], *, redelivered: bool) -> None:
        """Put messages that this process holds back to their places in the queue."""
        rows = [(redelivered, message, self._file.owner()) for message in messages]
        with self._file.transaction(durable=False) as connection:
            connection.executemany(
                "UPDATE message SET owner = NULL, redelivered = max(redelivered, ?) WHERE id = ? AND owner = ?",
                rows,
            )

    def size(self, queue: str) -> int:
        """Count the messages that wait; leased ones are not among them."""
        ((waiting,),) = self._file.read(_READY.format("count(*)"), (queue,))
        return int(waiting)

    def purge(self, queue: str) -> int:
        """Delete the messages that wait; give their number."""
        return self._file.write("DELETE FROM message WHERE queue = ? AND owner IS NULL", (queue,), durable=True)[0]

    def free_dead(self) -> int:
        """Free what processes held that have ended since, or ran before a reboot; give the number of messages freed.

        Reads one line of /proc for each process that ever held a lease and was not cleaned up yet.
        """
        owners = self._file.read("SELECT id, boot, pid, started FROM owner")
        dead = [number for number, boot, pid, started in owners if not is_alive(Owner(boot, pid, started))]
        return sum(self._free(number) for number in dead)

    def _free(self, owner: int) -> int:
        with self._file.transaction(durable=False) as connection:
            freed = connection.execute(
                "UPDATE message SET owner = NULL, redelivered = 1 WHERE owner = ?",
                (owner,),
            ).rowcount
            connection.execute("DELETE FROM consumer WHERE owner = ?", (owner,))
            delete_unused_queues(connection, owner)
            connection.execute("DELETE FROM owner WHERE id = ?", (owner,))
        return freed


def delete_queue(connection: sqlite3.Connection, queue: str) -> int:
    """Delete a queue with its bindings and all its messages; give the number of messages that waited."""
    connection.execute("DELETE FROM binding WHERE queue = ?", (queue,))
    connection.execute("DELETE FROM message WHERE owner IS NOT NULL AND queue = ?", (queue,))
    waited = connection.execute("DELETE FROM message WHERE owner IS NULL AND queue = ?", (queue,)).rowcount
    connection.execute("DELETE FROM queue WHERE name = ?", (queue,))
    return waited


def delete_unused_queues(connection: sqlite3.Connection, owner: int) -> None:
    """Delete the queues that end with a process: its exclusive ones, and auto-delete ones that nobody consumes now."""
    unused = connection.execute(
        "SELECT name FROM queue WHERE (exclusive AND owner = :owner) OR (auto_delete AND (used OR owner = :owner)"
        " AND NOT EXISTS (SELECT 1 FROM consumer WHERE consumer.queue = queue.name))",
        {"owner": owner},
    ).fetchall()
    for (queue,) in unused:
        delete_queue(connection, queue)


def _in_order(rows: list[Row]) -> list[Delivery]:
    # RETURNING promises no order.
    rows.sort(key=lambda row: (-row[1], row[0]))
    return [Delivery(number, head, body, bool(redelivered)) for number, _, redelivered, head, body in rows]
