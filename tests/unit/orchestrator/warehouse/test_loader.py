"""The loader under what happens to it: rows that are there in part, two writers at once, a connection that is cut."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import psycopg.errors
import pytest
import sqlalchemy as sa

from orchestrator.domain.errors import DependencyUnreachable, Unstorable
from orchestrator.sinks.parcels import data_in, envelope_of
from orchestrator.warehouse import copying
from orchestrator.warehouse.loader import load
from orchestrator.warehouse.rows import rows_of
from orchestrator.warehouse.runs import RunRow
from orchestrator.warehouse.schema import STORE, code_exec_logs, event_logs, model_cost_logs
from tests.events import NOON, event, record

if TYPE_CHECKING:
    from orchestrator.warehouse.rows import Prompt, Row
    from tests.unit.orchestrator.warehouse.conftest import Warehouse

DEADLINE = 60


def made(count: int) -> list[list[Row | Prompt]]:
    """Make the rows of some calls, each event's together."""
    records = [record(event()) for _ in range(count)]
    return [rows_of(each, data_in(envelope_of(each)), envelope_of(each)) for each in records]


def flat(events: list[list[Row | Prompt]]) -> list[Row | Prompt]:
    """Put rows one behind the other."""
    return [row for rows in events for row in rows]


@pytest.mark.parametrize("there", [[0], [1], [2], [0, 1, 2], []])
def test_what_is_there_in_part_is_completed(warehouse: Warehouse, there: list[int]) -> None:
    """Whichever events of a batch are there, first, last or in the middle: each is there once afterwards."""
    events = made(3)
    load(warehouse.engine, flat([events[each] for each in there]))
    assert load(warehouse.engine, flat(events)) == 2 * (3 - len(there))
    assert load(warehouse.engine, flat(events)) == 0
    assert len(warehouse.rows(event_logs)) == len(warehouse.rows(model_cost_logs)) == 3


def test_an_event_twice_in_a_batch_is_one(warehouse: Warehouse) -> None:
    """Twice in the same batch, in the middle of it, is one row."""
    events = made(4)
    assert load(warehouse.engine, flat([*events, events[1]])) == 8


def test_two_writers_of_the_same_events_make_one_row_each(warehouse: Warehouse) -> None:
    """Relays that overlap, as after a lost lease, load the same batches at once: no row twice, none lost."""
    batches = [flat(made(20)) for _ in range(10)]
    faults: list[BaseException] = []

    def write(order: list[list[Row | Prompt]]) -> None:
        engine = STORE.open(warehouse.url)
        try:
            for batch in order:
                load(engine, batch)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            faults.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=write, args=(batches,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not faults
    assert not any(thread.is_alive() for thread in threads)
    assert len(warehouse.rows(event_logs)) == len(warehouse.rows(model_cost_logs)) == 200


@pytest.mark.parametrize("attempts", [True, False])
def test_a_connection_that_is_cut_in_a_copy_is_no_row_and_no_fault_of_the_events(
    postgres_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, attempts: bool
) -> None:
    """The driver's own error comes back as one of ours, nothing of the batch stays, and the next try loads it."""
    run: list[Row | Prompt] = [RunRow(id=uuid4(), created_at=NOON)]
    rows, copy, table = run if attempts else flat(made(3)), copying._copy, code_exec_logs if attempts else event_logs

    def cut(connection: sa.Connection, *rest: Any) -> int:
        with postgres_warehouse.engine.connect() as other:
            me = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            other.execute(sa.text("SELECT pg_terminate_backend(:me, 60000)"), {"me": me})
        return copy(connection, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(copying, "_copy", cut)
        with pytest.raises(DependencyUnreachable, match="warehouse"):
            load(postgres_warehouse.engine, rows)
    assert postgres_warehouse.rows(table) == []
    load(postgres_warehouse.engine, rows)
    assert len(postgres_warehouse.rows(table)) == (1 if attempts else 3)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (psycopg.errors.DeadlockDetected("two writers"), DependencyUnreachable),
        (psycopg.errors.CharacterNotInRepertoire("a byte"), Unstorable),
    ],
)
def test_what_the_driver_says_of_a_copy_is_told_in_our_words(
    postgres_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, fault: Exception, told: type[Exception]
) -> None:
    """A copy is the driver's own call, whose errors SQLAlchemy never sees: of a value, or to be tried again."""

    def fail(*_: object) -> int:
        raise fault

    monkeypatch.setattr(copying, "_copy", fail)
    with pytest.raises(told, match="warehouse"):
        load(postgres_warehouse.engine, flat(made(1)))
