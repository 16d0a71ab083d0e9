"""What every ledger must do with dependencies and ramps: in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.domain.dependencies import Dependency, Health
from orchestrator.domain.pacing import Phase, Ramp
from tests.recovery import NOON

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger

LATER = NOON + timedelta(seconds=90)
FULL = Dependency(
    name="model provider",
    health=Health.RECOVERING,
    why="so",
    since=NOON,
    successes=1.5,
    failures=0.25,
    live=9.0,
    seen_at=NOON,
    live_at=LATER,
    failed_at=NOON,
    failed=2**40,
    passed=7,
    passes=3,
    not_before=LATER,
    tokens=-2.5,
    filled_at=NOON,
    held_by="ann",
    held_reason="deploy",
    held_at=LATER,
    probe_at=LATER,
    probe_note="503",
)


def test_a_dependency_comes_back_whole(ledger: SqlLedger) -> None:
    """Every field survives, also when it is stored again; one that nobody stored is not known."""
    with ledger.transaction() as tx:
        assert tx.dependency(FULL.name) is None
        tx.save_dependency(Dependency(FULL.name))
        assert tx.dependency(FULL.name) == Dependency(FULL.name)
        tx.save_dependency(FULL)
    with ledger.reading() as tx:
        assert tx.dependency(FULL.name) == FULL


def test_dependencies_are_listed_by_name(ledger: SqlLedger) -> None:
    """All of them, whatever their order of arrival."""
    with ledger.transaction() as tx:
        for name in ("b", "c", "a"):
            tx.save_dependency(replace(FULL, name=name))
        assert [each.name for each in tx.dependencies()] == ["a", "b", "c"]


def test_ramps_come_back_whole_and_are_dropped(ledger: SqlLedger) -> None:
    """Every field survives; only those named are dropped."""
    ramp = Ramp("model", Phase.CANARY, LATER, 4, uuid4(), uuid4(), 12.25, 6.5, 1, 3, "why")
    with ledger.transaction() as tx:
        tx.save_ramp(replace(ramp, tries=1))
        tx.save_ramp(ramp)
        tx.save_ramp(Ramp("other"))
        assert tx.ramp("model") == ramp
        assert tx.ramps() == [ramp, Ramp("other")]
        tx.drop_ramps(["model", "nobody"])
        assert tx.ramps() == [Ramp("other")]
        assert tx.ramp("model") is None
