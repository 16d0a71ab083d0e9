"""The database result backend (SQLAlchemy), read by its primary key in bounded pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    case,
    create_engine,
    func,
    inspect,
    select,
)
from sqlalchemy.engine import make_url

from orchestrator.bus.stored import LONGEST, Opaque, stored_task, value_of
from orchestrator.domain.results import UNFINISHED, ResultPage, StoredTask
from orchestrator.stores import reachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import URL, Connection, Engine, Row, Select

WHAT: Final = "result backend"
SECONDS: Final = 5
TABLE: Final = "celery_taskmeta"
COLUMNS: Final = {"id": Integer, "task_id": String, "status": String, "result": LargeBinary, "traceback": Text}
EXTENDED: Final = {"name": String, "worker": String, "retries": Integer}  # in tables of Celery 4.4 and newer
MOST_IDS: Final = 500  # in one statement; SQLite takes 999 parameters everywhere


@dataclass(slots=True)
class SqlResults:
    """Celery's results in a database; `table` may name its schema before a dot."""

    engine: Engine
    table: str = TABLE
    blind: str | None = None
    _known: Table | None = field(default=None, init=False)

    @classmethod
    def open(cls, url: str, table: str = TABLE) -> Self:
        """Open the backend, for reading; raises ArgumentError for what is no URL."""
        return cls(create_engine(_readable(make_url(url)), pool_pre_ping=True, hide_parameters=True), table)

    def state_of(self, task_ids: Sequence[str]) -> Mapping[str, StoredTask]:
        """Give what is stored of these tasks; one of which nothing is known is left out."""
        found: dict[str, StoredTask] = {}
        with reachable(WHAT):
            for start in range(0, len(task_ids), MOST_IDS):
                wanted = task_ids[start : start + MOST_IDS]
                for row in self._rows(lambda table, wanted=wanted: _query(table).where(table.c.task_id.in_(wanted))):
                    found[row.task_id] = _task(row)
        return found

    def unfinished(self, limit: int, cursor: str | None = None) -> ResultPage:
        """Look at `limit` rows behind the id `cursor` for tasks that are STARTED or RETRY."""
        after = int(cursor or 0)
        with reachable(WHAT):
            rows = self._rows(lambda table: _query(table).where(table.c.id > after).order_by(table.c.id).limit(limit))
        tasks = tuple(_task(row) for row in rows if row.status in UNFINISHED)
        return ResultPage(tasks, str(rows[-1].id) if len(rows) == limit else None, len(rows))

    def _rows(self, query: Any) -> Sequence[Row[Any]]:  # noqa: ANN401 - a function of the table
        if _not_there(self.engine.url):
            return []
        with self.engine.connect() as connection:
            table = self._table(connection)
            return [] if table is None else connection.execute(query(table)).all()

    def _table(self, connection: Connection) -> Table | None:
        """Look the table up; None before a worker has made it."""
        if self._known is None:
            schema, _, name = self.table.rpartition(".")
            looking = inspect(connection)
            if not looking.has_table(name, schema=schema or None):
                return None
            there = {each["name"] for each in looking.get_columns(name, schema=schema or None)}
            columns: list[Column[Any]] = [
                Column(each, kind) for each, kind in {**COLUMNS, **EXTENDED}.items() if each in there
            ]
            self._known = Table(name, MetaData(), *columns, schema=schema or None)
        return self._known


def _query(table: Table) -> Select[Any]:
    """Read the result of unfinished tasks alone: that of another may be large, and is nobody's business here."""
    result = case((table.c.status.in_(sorted(UNFINISHED)), func.substr(table.c.result, 1, LONGEST)))
    more = [table.c[each] for each in EXTENDED if each in table.c]
    raised = table.c.traceback.is_not(None).label("traceback")
    return select(table.c.id, table.c.task_id, table.c.status, result.label("result"), raised, *more)


def _task(row: Row[Any]) -> StoredTask:
    if row.status not in UNFINISHED:
        return StoredTask(row.task_id, row.status)
    try:
        result = value_of(bytes(row.result)) if row.result else None
    except Opaque:
        meta = stored_task(row.task_id, row.status, None, dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's own name
        return StoredTask(row.task_id, row.status, meta.worker, None, meta.task, meta.retries, opaque=True)
    return stored_task(row.task_id, row.status, result, dict(row._mapping))  # noqa: SLF001 - as above


def _readable(url: URL) -> URL:
    """Name the driver that is here, and open a SQLite file for reading only."""
    if url.drivername in ("postgresql", "postgresql+psycopg2"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database and not url.database.startswith("file:"):
        return url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    return url


def _not_there(url: URL) -> bool:
    """Tell whether it is a SQLite file that no worker has made so far."""
    return url.get_backend_name() == "sqlite" and not Path((url.database or "").removeprefix("file:")).exists()
