"""What every ledger must keep of the arguments by which a failure may be searched, and of what else it is found by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from sqlalchemy import select

from orchestrator.domain.failures import Declaration, FailureState
from orchestrator.ledger.schema import STORE, failure_arguments, failures
from orchestrator.ledger.sql import SqlLedger
from tests.recovery import NOON, failure, filed, message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.domain.failures import Failure, TaskMessage

ALLOWED = Declaration("model", idempotent=True, search=("customer",), edit={"model": {"type": "string"}})


def _rows(ledger: SqlLedger) -> Sequence[tuple[Any, ...]]:
    table = failure_arguments.c
    with ledger.transaction() as tx:
        query = select(table.failure_id, table.name, table.value).order_by(table.failure_id, table.name)
        return [tuple(row) for row in tx._connection.execute(query)]


def _columns(ledger: SqlLedger, given: Failure) -> tuple[Any, ...]:
    table = failures.c
    with ledger.transaction() as tx:
        query = select(table.queue, table.organization, table.expires_at, table.blocked).where(table.id == given.id)
        return tuple(tx._connection.execute(query).one())


def test_arguments_come_back_and_can_be_found(ledger: SqlLedger) -> None:
    """A failure has its organisation, its arguments and its declaration again, and a row for each argument."""
    given = failure(1, arguments={"customer": "c-7", "city": "Köln"}, organization="acme", declaration=ALLOWED)
    filed(ledger, given, failure(2))
    with ledger.transaction() as tx:
        stored = tx.failure(given.id)
        assert stored is not None
        assert stored.failure == given
    assert _rows(ledger) == [(given.id, "city", "Köln"), (given.id, "customer", "c-7")]


def test_changed_arguments_take_the_place_of_the_former_ones(ledger: SqlLedger) -> None:
    """What is known later of a run's message is what it is found by."""
    given = failure(1, arguments={"customer": "c-7", "city": "Bonn"})
    filed(ledger, given)
    with ledger.transaction() as tx:
        stored = tx.failure(given.id)
        assert stored is not None
        tx.save_failure(replace(stored, failure=replace(given, arguments={"customer": "c-8"})))
        tx.save_failure(replace(stored, failure=replace(given, arguments={"customer": "c-9"})))
    assert _rows(ledger) == [(given.id, "customer", "c-9")]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (message(), ("celery", None)),
        (message(queue="work"), ("work", None)),
        (message(routing_key="", missing=True), (None, "missing")),
        (message(redacted=("kwargs.password",)), ("celery", "redacted")),
        (message(redacted=("kwargs.password",), resolvable=True), ("celery", None)),
        (message(sealed="gAAA"), ("celery", "sealed")),
        (message(queue="q" * 300), ("q" * 255, None)),
        (message(queue="a\0b"), ("a\ufffdb", None)),
    ],
)
def test_a_row_says_where_it_came_from_and_what_blocks_it(
    ledger: SqlLedger, told: TaskMessage, found: tuple[Any, ...]
) -> None:
    """The queue is the one it was consumed from, else its routing key; what blocks the message is one word."""
    given = failure(1, message=told)
    filed(ledger, given)
    queue, organization, expires_at, blocked = _columns(ledger, given)
    assert (queue, blocked) == found
    assert (organization, expires_at) == (None, None)


@pytest.mark.parametrize(
    ("expires", "moment"),
    [
        ("2025-11-20T12:30:00+01:00", datetime(2025, 11, 20, 11, 30, tzinfo=UTC)),
        ({"$time": "2025-11-20T12:30:00"}, datetime(2025, 11, 20, 12, 30, tzinfo=UTC)),
        ("9999-12-31T23:59:59-12:00", None),
        ({"$object": 5}, None),
        ("soon", None),
        (3, None),
    ],
)
def test_a_row_says_when_its_message_expires(ledger: SqlLedger, expires: object, moment: datetime | None) -> None:
    """What Celery's header tells is kept in UTC; what nobody can read is unknown, and stops nothing."""
    given = failure(1, message=message(headers={"task": "app.call", "expires": expires}))
    filed(ledger, given)
    assert _columns(ledger, given)[2] == moment


def test_retention_takes_arguments_with_the_body(ledger: SqlLedger) -> None:
    """Arguments are content: they go when the body goes, from the rows that find them as well."""
    # The first one stays: the rules of an open incident are told of it.
    given = [failure(number, arguments={"customer": f"c-{number}"}) for number in range(3)]
    filed(ledger, *given)
    with ledger.transaction() as tx:
        stored = tx.failure(given[1].id)
        assert stored is not None
        tx.save_failure(replace(stored, state=FailureState.RECOVERED, closed_at=NOON))
    with ledger.transaction() as tx:
        assert tx.purge_bodies(NOON + timedelta(hours=1), NOON + timedelta(days=1), 10) == 1
        emptied = tx.failure(given[1].id)
        assert emptied is not None
        assert emptied.failure.arguments == {}
    assert {row[0] for row in _rows(ledger)} == {given[0].id, given[2].id}


def test_retention_takes_arguments_with_the_row(ledger: SqlLedger) -> None:
    """A failure that is dropped takes the rows of its arguments along."""
    given = [failure(number, arguments={"customer": f"c-{number}"}) for number in range(2)]
    filed(ledger, *given)
    with ledger.transaction() as tx:
        stored = tx.failure(given[1].id)
        assert stored is not None
        tx.save_failure(replace(stored, state=FailureState.DEAD, closed_at=NOON))
    with ledger.transaction() as tx:
        assert tx.purge_failures(NOON + timedelta(hours=1), 10) == 1
    assert [row[0] for row in _rows(ledger)] == [given[0].id]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_rows_of_a_former_version_are_filled(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """An upgrade reads the queue, and what blocks a message, from the messages that are there."""
    url = f"sqlite:///{tmp_path}/old.sqlite" if engine == "sqlite" else request.getfixturevalue("postgres")
    STORE.migrate(url)
    told = [message(), message(queue="work", missing=True), message(redacted=("kwargs.a",)), message(sealed="gAAA")]
    ledger = SqlLedger.open(url)
    filed(ledger, *(failure(number, message=each) for number, each in enumerate(told)))
    ledger.close()
    with STORE._migrating(url) as config:
        command.downgrade(config, "0012")
    STORE.migrate(url)
    STORE.check(url)
    ledger = SqlLedger.open(url)
    found = [_columns(ledger, failure(number)) for number in range(len(told))]
    ledger.close()
    assert [(queue, blocked) for queue, _, _, blocked in found] == [
        ("celery", None),
        ("work", "missing"),
        ("celery", "redacted"),
        ("celery", "sealed"),
    ]
