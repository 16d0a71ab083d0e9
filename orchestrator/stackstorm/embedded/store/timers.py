"""When each timer is to fire next."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.store.database import Database

_SCHEMA = """
create table if not exists timers (trigger_ref text primary key, due text not null) without rowid;
"""


class TimerRows:
    """The table of timers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def put(self, ref: str, due: datetime) -> None:
        """Remember when a timer is to fire."""
        self._database.write("insert or replace into timers values (?,?)", (ref, due.isoformat()))

    def all(self) -> dict[str, datetime]:
        """Give the time of every timer by the ref of its trigger."""
        return {ref: datetime.fromisoformat(due) for ref, due in self._database.rows("select * from timers")}

    def forget(self, ref: str) -> None:
        """Forget a timer that is no more, or will not fire again."""
        self._database.write("delete from timers where trigger_ref = ?", (ref,))
