"""The ledger on SQLite or PostgreSQL; `SqlLedger.in_memory()` is the one for tests and trials, on the same code."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from threading import RLock
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import create_engine, func, select
from sqlalchemy.pool import StaticPool

from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.ledger.alerting import AlertingRows
from orchestrator.ledger.approving import ApprovingRows
from orchestrator.ledger.attempts import AttemptRows
from orchestrator.ledger.auditing import AuditingRows
from orchestrator.ledger.dependencies import DependencyRows
from orchestrator.ledger.failures import FailureRows
from orchestrator.ledger.incidents import IncidentRows
from orchestrator.ledger.operating import OperatingRows
from orchestrator.ledger.outbox import LeaseRows, OutboxRows
from orchestrator.ledger.predicting import PredictingRows
from orchestrator.ledger.probes import ProbeRows
from orchestrator.ledger.recovering import RecoveringRows
from orchestrator.ledger.releases import ReleaseRows
from orchestrator.ledger.retention import RetentionRows
from orchestrator.ledger.schema import STORE, incidents, metadata
from orchestrator.ledger.searching import SearchingRows
from orchestrator.ledger.summing import SummingRows
from orchestrator.ledger.tallies import TallyRows
from orchestrator.ledger.triggers import DispatchRows
from orchestrator.ledger.workers import WorkerRows
from orchestrator.stores import BUSY_SECONDS, reachable, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Engine

# One state of all tables, and an error for whoever writes all the same.
SNAPSHOT: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
# On PostgreSQL too one transaction writes at a time, as on SQLite: the steps of recovery lock incidents, releases and
# failures in the order in which events come, so that several at once meet in deadlocks and in each other's inserts.
TAKE_TURN: Final = select(
    func.set_config("lock_timeout", f"{BUSY_SECONDS}s", True),  # noqa: FBT003 - PostgreSQL's: until the commit
    func.pg_advisory_xact_lock(func.hashtext("redrive ledger")),
)


class SqlTransaction(
    FailureRows,
    IncidentRows,
    ReleaseRows,
    DependencyRows,
    AttemptRows,
    DispatchRows,
    OperatingRows,
    AuditingRows,
    OutboxRows,
    LeaseRows,
    TallyRows,
    RetentionRows,
    WorkerRows,
    ProbeRows,
    SearchingRows,
    PredictingRows,
    RecoveringRows,
    AlertingRows,
    ApprovingRows,
    SummingRows,
):
    """One transaction on the ledger: every group of verbs on one connection."""


class SqlLedger:
    """The ledger in a SQL database. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # One writer per SQLite file: waiting here is quick, waiting on the file's lock polls. PostgreSQL hands the turn
        # on itself, in order, and whoever waits there has its connection and its transaction already.
        self._turn = RLock() if engine.dialect.name == "sqlite" else None

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the ledger at a database URL; it must have been migrated."""
        return cls(STORE.open(url))

    @classmethod
    def in_memory(cls) -> Self:
        """Make an empty ledger that lives as long as this process."""
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        metadata.create_all(engine)
        return cls(engine)

    @contextmanager
    def transaction(self) -> Iterator[SqlTransaction]:
        """Open a transaction: it commits when the block ends, and rolls back when the block raises.

        Raises DependencyUnreachable when the database does not answer.
        """
        with self._in_turn(), reachable(STORE.name), writing(self._engine) as connection:
            if self._turn is None:
                connection.execute(TAKE_TURN)
            tx = SqlTransaction(connection)
            yield tx
            tx.put()

    @contextmanager
    def reading(self) -> Iterator[SqlTransaction]:
        """Open a transaction that reads one state of the ledger, and waits for no writer; it must not write.

        Raises DependencyUnreachable when the database does not answer.
        """
        options = SNAPSHOT if self._engine.dialect.name == "postgresql" else {}
        engine = self._engine.execution_options(**options)
        with self._shared(), reachable(STORE.name), engine.begin() as connection:
            tx = SqlTransaction(connection)
            yield tx
            tx.put()  # refused by the database, as every write here

    def ready(self) -> None:
        """Raise DependencyUnreachable when the ledger cannot be read."""
        # Not in the turn: what waits for a writer is no less ready.
        with self._shared(), reachable(STORE.name), self._engine.connect() as connection:
            connection.execute(select(incidents.c.id).limit(1))

    def _shared(self) -> AbstractContextManager[object]:
        """Give what keeps readers and the writer apart where all have one connection."""
        return self._in_turn() if isinstance(self._engine.pool, StaticPool) else nullcontext()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise DependencyUnreachable(STORE.name, f"others have been writing for {BUSY_SECONDS} s")
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
