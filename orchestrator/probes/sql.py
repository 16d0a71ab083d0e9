"""The SQL probe: one statement that reads, on a connection of its own, which is closed whatever happens."""

from __future__ import annotations

import math
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from orchestrator.domain.probes import ProbeResult
from orchestrator.probes.cutting import cut_after

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL, Dialect

    from orchestrator.domain.probes import SqlProbe
    from orchestrator.probes.cutting import Cut

# psycopg takes a shorter time-out for connecting as none.
LEAST_CONNECT_SECONDS: Final = 2


def probe_sql(spec: SqlProbe) -> ProbeResult:
    """Run the statement in a transaction that only reads, and look at one row of what it gives."""
    with cut_after(spec.timeout) as cut:
        try:
            _run(_engine(spec, cut), spec)
        except SQLAlchemyError as error:
            why = f"no whole answer within {spec.timeout:g} s" if cut.done else _told(error)
            return ProbeResult(passed=False, why=why)
    return ProbeResult(passed=True, why="answered the statement")


def _engine(spec: SqlProbe, cut: Cut) -> Engine:
    url = make_url(spec.url)
    if url.get_backend_name() == "sqlite":
        url, arguments = _that_exists(url), {"timeout": spec.timeout}
    else:
        arguments = {"connect_timeout": max(LEAST_CONNECT_SECONDS, math.ceil(spec.timeout))}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    event.listen(engine, "do_connect", partial(_connect, cut))
    return engine


def _connect(cut: Cut, dialect: Dialect, _record: object, args: Sequence[Any], options: Mapping[str, Any]) -> object:
    """Connect, and have it ended at the deadline, also while SQLAlchemy asks its own first questions."""
    driver: Any = dialect.connect(*args, **options)
    if hasattr(driver, "interrupt"):  # sqlite3
        cut.add(driver.interrupt)
    else:
        cut.add_socket(driver.fileno())
    connection: object = driver
    return connection


def _that_exists(url: URL) -> URL:
    """Have a SQLite file opened to be read: one that is not there must not be made by asking for it."""
    return url.set(database=f"file:{quote(url.database or '')}", query={"mode": "ro", "uri": "true"})


def _run(engine: Engine, spec: SqlProbe) -> None:
    # A server's cursor: of a large result no more than the first rows leave the database.
    options = {"stream_results": True, "max_row_buffer": 1}
    with engine.connect() as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION READ ONLY"))
            connection.execute(text(f"SET LOCAL statement_timeout = {math.ceil(spec.timeout * 1000)}"))
        with closing(connection.execute(text(spec.statement), execution_options=options)) as found:
            found.fetchone()


def _told(error: SQLAlchemyError) -> str:
    """Give the database's own words, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).strip().splitlines()[0] if str(cause).strip() else 'no reason given'}"
