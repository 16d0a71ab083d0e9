"""Reading: whoever only looks waits for nobody who writes, and sees one state of the ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.stores import CONNECTIONS
from tests.recovery import incident

if TYPE_CHECKING:
    from orchestrator.domain.incidents import Incident
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


@on_servers
def test_many_who_wait_to_write_leave_a_reader_its_connection(ledger: SqlLedger) -> None:
    """More writers than a pool has connections wait for their turn without one."""
    made = [incident(signature=str(number)) for number in range(2 * CONNECTIONS)]

    def write(each: Incident) -> None:
        with ledger.transaction() as tx:
            tx.add_incident(each)

    with ThreadPoolExecutor(len(made)) as pool:
        with ledger.transaction():
            writers = [pool.submit(write, each) for each in made]
            wait(writers, timeout=0.5)
            with ledger.reading() as seen:
                assert [seen.incident(each.id) for each in made] == [None] * len(made)
        for writer in writers:
            writer.result()
    with ledger.reading() as seen:
        assert [seen.incident(each.id) for each in made] == made


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
