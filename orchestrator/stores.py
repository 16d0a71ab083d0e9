"""The SQL stores, all opened one way: engines that keep what they accepted, migrations, errors in our own words."""

from __future__ import annotations

import io
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import DateTime, Engine, TypeDecorator, create_engine, event, func, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from orchestrator.domain.errors import DependencyUnreachable, RedriveError
from orchestrator.domain.errors import Unstorable as Unstorable  # noqa: PLC0414 - re-exported: stores raise it
from orchestrator.pooling import ask_after_a_rest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, MetaData, Table
    from sqlalchemy.engine import Dialect
    from sqlalchemy.engine.interfaces import DBAPIConnection

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
BUSY_SECONDS: Final = 30
CONNECT_SECONDS: Final = 5
# SQLite keeps the file of a closed connection open while any other of the process has a lock: a pool that opens more
# for a moment, and closes them, has ever more files open. So it closes none; whoever finds none free waits.
OF_A_FILE: Final = {"pool_size": 5, "max_overflow": 0}
WRITES: Final = "redrive_writes"
# In the `info` of a constraint: the one kind of database that has it.
ONLY_ON: Final = "redrive_only_on"
PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


class SchemaDiffers(RedriveError):
    """The tables in a database are not those that the code declares."""

    def __init__(self, store: str, why: str) -> None:
        super().__init__(f"expected the {store}'s tables as the code declares them, got: {why}; migrate the database")
        self.store = store


class UtcDateTime(TypeDecorator[datetime]):
    """A time with an offset, on databases that keep none as well."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC; a time without an offset is a fault of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a time with an offset, got {value.isoformat()}")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        """Give the time back with its offset."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def utc_now() -> datetime:
    """Give the time, with its offset."""
    return datetime.now(UTC)


def open_engine(url: str, schema: str | None = None) -> Engine:
    """Open a pool of connections that commit durably; on PostgreSQL inside `schema`, where one is named."""
    target = make_url(url)
    if target.get_backend_name() == "sqlite":
        pool = OF_A_FILE if target.database not in {None, "", ":memory:"} else {}
        engine = create_engine(target, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True, **pool)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
    if schema is not None:
        arguments["options"] = f"-csearch_path={schema}"
    engine = create_engine(target, connect_args=arguments, hide_parameters=True)
    ask_after_a_rest(engine)
    return engine


def _locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY


# SQLite does not wait for the lock that a change to WAL needs (its busy time-out is not asked): a new file that several
# processes open at once answers "locked" to all but one.
@retry(
    retry=retry_if_exception(_locked),
    stop=stop_after_delay(BUSY_SECONDS),
    wait=wait_random_exponential(multiplier=0.01, max=0.5),
    reraise=True,
)
def _set_up_sqlite(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot wait for the lock: a writer takes it at once.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes: commits when the block ends, rolls back when it raises."""
    # SQLAlchemy keeps the number of rows of an INSERT, or of an upsert, only where it is asked to.
    with engine.execution_options(preserve_rowcount=True, **{WRITES: True}).begin() as connection:
        yield connection


def insert_into(table: Table, dialect: Dialect) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that can say what to do on a conflict."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


@contextmanager
def reachable(what: str) -> Iterator[None]:
    """Turn a database's errors into ours: Unstorable for the values it was given, else DependencyUnreachable."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise Unstorable(what, str(error.orig).strip()) from error
    except PoolTimeout as error:
        raise DependencyUnreachable(what, "all connections are in use") from error
    except DBAPIError as error:
        raise DependencyUnreachable(what, str(error.orig).strip()) from error
    except StatementError as error:
        # Raised before the database was asked: a value that no column can hold. Its text has the whole statement.
        raise Unstorable(what, f"{type(error.orig).__name__}: {error.orig}") from error
    except SQLAlchemyError as error:
        raise DependencyUnreachable(what, str(error)) from error


@dataclass(frozen=True, slots=True)
class Store:
    """One database of ours. `migrations` is the package and folder of its alembic scripts, `package:folder`."""

    name: str
    migrations: str
    metadata: MetaData
    schema: str | None = None

    def open(self, url: str) -> Engine:
        """Open the store; its tables must be there already."""
        return open_engine(url, self.schema)

    def migrate(self, url: str, revision: str = "head") -> None:
        """Bring the tables to a revision, the newest unless told; safe to run from several processes at once."""
        with reachable(self.name):
            self._make_schema(url)
            with self._migrating(url) as config:
                command.upgrade(config, revision)

    def check(self, url: str) -> None:
        """Raise SchemaDiffers unless the database is at the newest revision and that is what the code declares."""
        with reachable(self.name), self._migrating(url) as config:
            connection: Connection = config.attributes["connection"]
            if inspect(connection).default_schema_name is None:
                raise SchemaDiffers(self.name, f"no schema {self.schema}")
            try:
                command.check(config)
            except CommandError as error:
                raise SchemaDiffers(self.name, str(error)) from error

    def ready(self, url: str) -> None:
        """Raise DependencyUnreachable unless the database answers and is at the newest revision."""
        engine = self.open(url)
        try:
            with reachable(self.name), engine.connect() as connection:
                options = {"version_table": self.version_table}
                found = MigrationContext.configure(connection, opts=options).get_current_heads()
                wanted = ScriptDirectory.from_config(self._config(connection)).get_heads()
        finally:
            engine.dispose()
        if set(found) != set(wanted):
            why = f"expected revision {', '.join(wanted)}, got {', '.join(found) or 'none'}; `redrive run` migrates it"
            raise DependencyUnreachable(self.name, why)

    @property
    def version_table(self) -> str:
        """Name the table in which alembic keeps this store's revision."""
        return f"{self.migrations.split(':', maxsplit=1)[0].rpartition('.')[2]}_revision"

    def _make_schema(self, url: str) -> None:
        if self.schema is None or make_url(url).get_backend_name() == "sqlite":
            return
        engine = open_engine(url)
        with engine.begin() as connection:
            self._lock(connection)
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {self.schema}"))
        engine.dispose()

    @contextmanager
    def _migrating(self, url: str) -> Iterator[Config]:
        engine = self.open(url)
        try:
            with writing(engine) as connection:
                self._lock(connection)
                yield self._config(connection)
        finally:
            engine.dispose()

    def _lock(self, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(self.migrations))))

    def _config(self, connection: Connection) -> Config:
        config = Config(stdout=io.StringIO())
        config.set_main_option("script_location", self.migrations)
        config.set_main_option("path_separator", "os")
        config.attributes.update(connection=connection, store=self)
        return config


def run_migrations() -> None:
    """Run the scripts that alembic was asked for, on the connection it was given: the body of every `env.py`."""
    store: Store = context.config.attributes["store"]
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=store.metadata,
        version_table=store.version_table,
        include_object=_ours,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _ours(declared: Any, _name: str | None, kind: str, reflected: bool, counterpart: object) -> bool:  # noqa: ANN401, FBT001 - alembic's signature
    """Leave alone the tables of others in the same database, and what is declared for the other kind of database."""
    if kind == "table":
        return not (reflected and counterpart is None)
    return bool(reflected or declared.info.get(ONLY_ON) in {None, context.get_context().dialect.name})
