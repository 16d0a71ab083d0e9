"""Who leads a part, on every ledger; and that the migrations make what the code declares."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from alembic import command
from sqlalchemy import text

from orchestrator.domain.failures import FailureState, Way
from orchestrator.ledger.schema import STORE
from orchestrator.ledger.sql import SqlLedger
from orchestrator.stores import SchemaDiffers
from tests.contracts.conftest import of_another_process
from tests.recovery import NOON, attempt, failure, filed, move, release

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.domain.incidents import Incident

TTL = 10.0
WAYS = (Way.EXCEPTION,)


def lease(ledger: SqlLedger, owner: str, seconds: float = 0, *, takeover: bool = False) -> int | None:
    """Ask for the lead of a part, some seconds after noon."""
    with ledger.transaction() as tx:
        return tx.lease("release", owner, NOON + timedelta(seconds=seconds), TTL, takeover=takeover)


def epoch(ledger: SqlLedger) -> int:
    """Read the epoch of the part."""
    with ledger.transaction() as tx:
        return tx.epoch_of("release")


def test_a_second_owner_waits_until_the_lease_has_expired(ledger: SqlLedger) -> None:
    """Whoever asked first leads; another one is refused until the lease is over, and then leads in a later epoch."""
    assert epoch(ledger) == 0
    assert lease(ledger, "ann") == 1
    assert lease(ledger, "bob", TTL - 1) is None
    assert epoch(ledger) == 1
    assert lease(ledger, "bob", TTL) == 2
    assert lease(ledger, "ann", TTL) is None
    assert epoch(ledger) == 2


def test_the_holder_renews_without_a_new_epoch(ledger: SqlLedger) -> None:
    """A renewal keeps the epoch, also a late one that nobody got ahead of."""
    assert [lease(ledger, "ann", seconds) for seconds in (0, 5, 14, 100)] == [1, 1, 1, 1]
    assert lease(ledger, "bob", 105) is None


def test_a_dead_holder_is_taken_over_at_once(ledger: SqlLedger) -> None:
    """A takeover needs no expiry, and bumps the epoch, so that what the dead one still writes is refused."""
    lease(ledger, "ann")
    assert lease(ledger, "bob", 1, takeover=True) == 2
    assert lease(ledger, "ann", 2) is None


def test_an_epoch_comes_after_what_was_seen_elsewhere(ledger: SqlLedger) -> None:
    """A ledger that was put back goes on behind the newest epoch that the event log knows, whoever leads."""
    for part, first in (("new", 8), ("release", 1)):
        with ledger.transaction() as tx:
            assert tx.lease(part, "ann", NOON, TTL, takeover=False, above=first - 1) == first
            assert tx.lease(part, "ann", NOON, TTL, takeover=False, above=9) == 10
            assert tx.lease(part, "ann", NOON, TTL, takeover=False, above=9) == 10
            assert tx.lease(part, "bob", NOON, TTL, takeover=False, above=20) is None
            assert tx.lease(part, "bob", NOON, TTL, takeover=True, above=9) == 11


def test_each_part_is_led_apart(ledger: SqlLedger) -> None:
    """The lead of one part says nothing of another; the holder of each is known by name."""
    lease(ledger, "ann")
    with ledger.transaction() as tx:
        assert tx.lease("relay", "bob", NOON, TTL, takeover=False) == 1
        assert (tx.lease_holder("release"), tx.lease_holder("relay")) == ("ann", "bob")
        assert tx.lease_holder("nobody's") is None
        assert tx.epoch_of("nobody's") == 0


def test_a_lead_that_has_run_out_is_none(ledger: SqlLedger) -> None:
    """A part is led until its lease is over, whoever has it; one that nobody asked for is not."""
    lease(ledger, "ann")
    with ledger.transaction() as tx:
        at = [tx.led("release", NOON + timedelta(seconds=seconds)) for seconds in (0, TTL - 1, TTL)]
        assert (at, tx.led("relay", NOON)) == ([True, True, False], False)


def test_only_one_of_many_gets_the_lead(ledger: SqlLedger) -> None:
    """Of many that ask at the same time exactly one leads."""
    with ThreadPoolExecutor(8) as pool:
        epochs = list(pool.map(lambda number: lease(of_another_process(ledger), f"owner {number}"), range(16)))
    assert sorted(epochs, key=str) == [1, *[None] * 15]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_migrations_make_what_the_code_declares(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """On an empty database `check` finds no tables, after `migrate` nothing to say; migrating again changes nothing."""
    url = f"sqlite:///{tmp_path}/l.sqlite" if engine == "sqlite" else request.getfixturevalue("postgres")
    with pytest.raises(SchemaDiffers):
        STORE.check(url)
    STORE.migrate(url)
    STORE.check(url)
    STORE.migrate(url)
    STORE.check(url)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_an_older_release_recorded_is_told_after_the_migration(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Rows of the first revision get what was known of them; one that has closed closed at the latest now."""
    url = f"sqlite:///{tmp_path}/l.sqlite" if engine == "sqlite" else request.getfixturevalue("postgres")
    STORE.migrate(url)
    made = filed_in(url)
    with STORE._migrating(url) as config:
        command.downgrade(config, "0001")
    STORE.migrate(url)
    STORE.check(url)
    ledger = SqlLedger.open(url)
    with ledger.reading() as tx:
        held, over = (tx.failure(failure(number).id) for number in range(2))
        incident, seen = tx.incident(made.id), tx.first_retry()
    ledger.close()
    assert held is not None
    assert over is not None
    assert incident is not None
    assert (held.failure, held.why, held.ways, held.closed_at) == (failure(0, event_id="e0"), made.why, WAYS, None)
    assert (held.began_at, held.last_seen_at) == (NOON, NOON)
    assert (over.state, over.closed_at is not None, over.attempts, over.tries) == (FailureState.RECOVERED, True, 1, 1)
    assert (incident.captured, incident.told_at) == (Way.EXCEPTION, NOON)
    assert seen.first_attempts == 1


def filed_in(url: str) -> Incident:
    """Record a held failure, and one that was redriven and has recovered."""
    ledger = SqlLedger.open(url)
    made = filed(ledger, failure(0, event_id="e0"), failure(1, event_id="e1"))
    ours = release(made.id)
    with ledger.transaction() as tx:
        tx.first_sight("e0", failure(0).id, None, NOON)
        tx.add_release(ours)
        tx.add_attempt(attempt(failure(1), ours))
        move(tx, [failure(1).id], FailureState.RECOVERED)
    ledger.close()
    return made


def test_a_table_that_was_changed_by_hand_is_noticed(tmp_path: Path) -> None:
    """`check` tells when the database is not what the code declares."""
    url = f"sqlite:///{tmp_path}/l.sqlite"
    STORE.migrate(url)
    engine = STORE.open(url)
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX uq_incidents_open"))
    engine.dispose()
    with pytest.raises(SchemaDiffers):
        STORE.check(url)
