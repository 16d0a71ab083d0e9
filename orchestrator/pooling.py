"""Pools of connections to a server: who gets one that rested, gets one that is still there."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

RESTED_SECONDS: Final = 1.0
USED_AT: Final = "redrive_used_at"


def ask_after_a_rest(engine: Engine) -> None:
    """Have a connection that rested for a second asked whether it is there, and all made anew where it is not.

    SQLAlchemy's `pool_pre_ping` asks each time, which is one round trip in four. Where one connection was cut in use,
    the others are asked too, however short they rested.
    """
    asking = _Asking(engine.dialect)
    event.listen(engine, "checkin", asking.note_use)
    event.listen(engine, "invalidate", asking.note_cut)
    event.listen(engine, "checkout", asking.ask)


@dataclass(slots=True)
class _Asking:
    dialect: Dialect
    cut_at: float = -inf

    def note_use(self, _connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[USED_AT] = monotonic()

    def note_cut(self, *_: object) -> None:
        self.cut_at = monotonic()

    def ask(self, connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        used_at = record.info.get(USED_AT)  # none of a connection that was just made
        if used_at is None or (used_at > self.cut_at and monotonic() - used_at < RESTED_SECONDS):
            return
        try:
            self.dialect.do_ping(connection)
        except self.dialect.loaded_dbapi.Error as error:
            if not self.dialect.is_disconnect(error, connection, None):
                raise
            raise InvalidatePoolError(str(error)) from error
