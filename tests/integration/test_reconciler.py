"""The nightly reconciler: rows that have gone from the warehouse are back after it, each once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, select

from eventbus.wire import COMMAND_RECORDED, LLM_CALL, TASK_FAILED
from orchestrator.domain.conservation import Reconciliation
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Lane, Passed
from orchestrator.domain.replays import ItemState
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog import schema as eventlog
from orchestrator.eventlog.reconciliations import SqlReconciliations
from orchestrator.eventlog.replays import SqlReplays
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.conservation import Conserver
from orchestrator.flows.replaying import Replayer
from orchestrator.ledger.sql import SqlLedger
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.stores import writing
from orchestrator.warehouse import schema as warehouse
from orchestrator.warehouse.queries import held
from tests.contracts.test_replays import Open
from tests.events import NOON, event, record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from uuid import UUID

    from sqlalchemy import Engine

NIGHT = NOON + timedelta(hours=12)


@dataclass
class Night:
    """A log of nine calls and a failure that the warehouse has all taken, and what runs at night."""

    log: SqlEventLog
    replays: SqlReplays
    reconciliations: SqlReconciliations
    engine: Engine
    sink: WarehouseSink
    away: bool = False
    ledger: SqlLedger = field(default_factory=SqlLedger.in_memory)

    def held(self, keys: Iterable[UUID]) -> set[UUID]:
        """Ask the warehouse, unless it is away."""
        if self.away:
            raise DependencyUnreachable("the warehouse", "so")
        return held(self.engine, keys)

    @property
    def conserver(self) -> Conserver:
        """Make the reconciler."""
        return Conserver(self.reconciliations, self.replays, self.ledger, {"warehouse": self.held})

    @property
    def rows(self) -> tuple[int, int]:
        """Count the rows of events and of costs."""
        with self.engine.connect() as connection:
            tables = (warehouse.event_logs, warehouse.model_cost_logs)
            events, costs = (connection.execute(select(func.count()).select_from(each)).scalar_one() for each in tables)
            return events, costs

    def lose(self, number: int) -> list[str]:
        """Delete some calls from the warehouse, in both tables."""
        with writing(self.engine) as connection:
            query = select(warehouse.model_cost_logs.c.id).order_by(warehouse.model_cost_logs.c.id).limit(number)
            gone = list(connection.execute(query).scalars())
            for table in (warehouse.event_logs, warehouse.model_cost_logs):
                connection.execute(delete(table).where(table.c.id.in_(gone)))
        return gone

    def send(self) -> None:
        """Let the replayer send what waits."""
        replayer = Replayer(self.replays, self.sink, Open(), lambda: 0.0)
        while self.replays.next_batch("warehouse", 1):
            replayer.run_once(NIGHT)

    def told(self) -> list[dict[str, object]]:
        """Give what the audit was told."""
        with self.ledger.transaction() as tx:
            return [each["data"] for _, each in tx.outbox(100) if each["type"] == COMMAND_RECORDED]


@pytest.fixture(params=["sqlite", "postgresql"])
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Night]:
    """Let everything arrive at noon."""
    if request.param == "sqlite":
        urls = (f"sqlite:///{tmp_path}/eventlog.sqlite", f"sqlite:///{tmp_path}/warehouse.sqlite")
    else:
        urls = (request.getfixturevalue("postgres"),) * 2
    eventlog.migrate(urls[0])
    warehouse.migrate(urls[1])
    log, replays, reconciliations = SqlEventLog(urls[0], lambda: NOON), SqlReplays(urls[0]), SqlReconciliations(urls[0])
    sink, engine = WarehouseSink(urls[1]), warehouse.STORE.open(urls[1])
    log.subscribe("warehouse", Subscription(sink.types))
    log.append([record(event(LLM_CALL)) for _ in range(9)])
    log.append([record(event(TASK_FAILED, {"failure_id": str(uuid4()), "task_id": "t", "task": "app.t"}))])
    batch = log.read(Lane.PRIORITY, 0, 10)
    sink.deliver(batch)
    log.advance("warehouse", Lane.PRIORITY, batch[-1].seq, epoch=1, passed=Passed(NOON))
    yield Night(log, replays, reconciliations, engine, sink)
    engine.dispose()
    for each in (log, replays, reconciliations, sink):
        each.close()


def test_rows_that_have_gone_are_back_once(night: Night) -> None:
    """Three rows are deleted: they are found missing, told, sent again, and there once; the next night finds none."""
    before = night.rows
    night.lose(3)
    assert night.rows == (before[0] - 3, before[1] - 3)
    done = night.conserver.run_once(NIGHT)
    assert done is not None
    assert (done.checked, done.missing, done.sent) == (before[0], 3, 3)
    (told,) = night.told()
    assert (told["actor"], told["command"]) == ("reconciler", "replay")
    night.send()
    assert night.rows == before
    assert done.replay_id is not None
    assert night.replays.progress(done.replay_id) == {"warehouse": {ItemState.DELIVERED: 3}}
    assert night.log.counts("warehouse").adds_up
    last = night.reconciliations.last_done("warehouse")
    assert last is not None
    assert last.missing == 3
    again = night.conserver.run_once(NIGHT + timedelta(days=1))
    assert again is not None
    assert (again.checked, again.missing) == (before[0], 0)
    assert len(night.told()) == 1


def test_it_runs_once_a_night(night: Night) -> None:
    """Nothing is due until a day has passed since the last one was asked for."""
    assert night.conserver.run_once(NIGHT) is not None
    assert night.conserver.run_once(NIGHT + timedelta(hours=23)) is None
    assert night.conserver.run_once(NIGHT + timedelta(hours=24)) is not None


def test_what_is_young_is_not_asked_about(night: Night) -> None:
    """What was accepted in the last five minutes may be on its way."""
    night.lose(3)
    done = night.conserver.run_once(NOON + timedelta(minutes=4))
    assert done is not None
    assert (done.checked, done.missing) == (0, 0)


def test_a_warehouse_that_is_away_is_asked_again(night: Night) -> None:
    """The reconciliation stays open, and finds the gap once the warehouse answers."""
    night.lose(2)
    night.away = True
    with pytest.raises(DependencyUnreachable):
        night.conserver.run_once(NIGHT)
    night.away = False
    done = night.conserver.run_once(NIGHT)
    assert done is not None
    assert done.missing == 2
    assert len(night.reconciliations.newest(10)) == 1


def test_it_can_be_asked_for_by_hand(night: Night) -> None:
    """Of the hours that are named, whatever was looked at before."""
    night.conserver.run_once(NIGHT)
    night.lose(1)
    hours = (NOON - timedelta(hours=1), NOON + timedelta(hours=1))
    asked = Reconciliation(uuid4(), "warehouse", *hours, "ada", NIGHT)
    night.reconciliations.ask(asked)
    done = night.conserver.run_once(NIGHT)
    assert done is not None
    assert (done.id, done.actor, done.missing) == (asked.id, "ada", 1)
    night.reconciliations.ask(Reconciliation(uuid4(), "nothing", *hours, "ada", NIGHT))
    gone = night.conserver.run_once(NIGHT)
    assert gone is not None
    assert (gone.sink, gone.checked) == ("nothing", 0)
