"""Reading: whoever only looks waits for nobody who writes, and sees one state of the ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.errors import DependencyUnreachable
from tests.recovery import incident

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger

# In memory all share one connection, and readers do wait.
on_servers = pytest.mark.parametrize("ledger", ["sqlite", "postgresql"], indirect=True)


@on_servers
def test_a_reader_waits_for_no_writer(ledger: SqlLedger) -> None:
    """While a transaction has the turn to write, a reader is answered, with what was committed before."""
    first, second = incident(signature="a"), incident(signature="b")
    with ledger.transaction() as tx:
        tx.add_incident(first)
    with ledger.transaction() as tx:
        tx.add_incident(second)
        with ledger.reading() as seen:
            assert (seen.incident(first.id), seen.incident(second.id)) == (first, None)
            assert seen.epoch_of("release") == 0


@pytest.mark.parametrize("ledger", ["memory", "sqlite"], indirect=True)
def test_who_waits_too_long_to_write_is_told(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a transaction that hangs nobody waits for ever: a caller hears of it, and tries again."""
    monkeypatch.setattr("orchestrator.ledger.sql.BUSY_SECONDS", 0.1)

    def write() -> None:
        with ledger.transaction():
            pass

    with ThreadPoolExecutor(1) as pool:
        with ledger.transaction(), pytest.raises(DependencyUnreachable, match="have been writing for"):
            pool.submit(write).result()
        pool.submit(write).result()


@on_servers
def test_a_reader_sees_one_state(ledger: SqlLedger) -> None:
    """What commits while a reader looks is not there for it before it looks anew."""
    made = incident()
    with ledger.reading() as seen:
        assert seen.incident(made.id) is None
        with ledger.transaction() as tx:
            tx.add_incident(made)
        assert seen.incident(made.id) is None
    with ledger.reading() as seen:
        assert seen.incident(made.id) == made


@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
def test_a_reader_that_writes_is_refused(ledger: SqlLedger) -> None:
    """The database itself holds a reading transaction to reading."""
    with pytest.raises(DependencyUnreachable, match="read-only"), ledger.reading() as tx:
        tx.add_incident(incident())
