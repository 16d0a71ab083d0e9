"""A bulk recovery that a person pauses and aborts: counts right to the task, and at most one batch goes after it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import func, select

from orchestrator.domain.release import LARGEST_BATCH
from orchestrator.ledger.schema import STORE, attempts
from tests.acceptance.night.night import Night
from tests.acceptance.night.recovery import Recovery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS: Final = 1_200.0
# So many tasks fail for real, the others by copies of their events.
REAL: Final = 200
# At these shares of all that was asked it is paused and counted; at the last it is aborted.
PAUSES: Final = (0.1, 0.3)
ABORT: Final = 0.5


@pytest.mark.parametrize(
    ("failures", "killed"),
    [(200, True), *(pytest.param(each, False, marks=pytest.mark.slow) for each in (8_000, 40_000))],
)
@pytest.mark.timeout(2_400)
def test_an_abort_stops_within_one_batch(
    failures: int, tmp_path: Path, record_property: Callable[[str, object], None], *, killed: bool
) -> None:
    """Paused, every count is what the tasks count; aborted, no more than a batch goes, and the rest is given back.

    Killed as soon as the abort was answered, the orchestrator still knows of it when it is back.
    """
    with Night(tmp_path, failures, fed=failures - REAL) as night:
        recovery = begun(night)
        for share in PAUSES:
            until_recovered(recovery, share)
            recovery.still()
            recovery.tell("resume")
        until_recovered(recovery, ABORT)
        after = aborted(recovery, killed=killed)
        record_property("published_after_the_abort", after)
        print(f"{failures} failures: {after} published after the abort, {recovery.looks[-1].progress}")  # noqa: T201 - a measured figure, for whoever runs it with -s
        assert after <= LARGEST_BATCH
        expect_rest_untouched(recovery, killed=killed)


def begun(night: Night) -> Recovery:
    """Let everything fail, bring payments-api back, and ask for what leans on it, at a pace that fills batches."""
    night.break_out(SECONDS)
    night.bring_back("payments-api")
    recovery = Recovery(night, {"query": {"dependency": "payments-api"}, "pace": {"in_flight": pace_of(night)}})
    recovery.ask()
    return recovery


def pace_of(night: Night) -> int:
    """Give a pace at which much is in flight, and much waits still when half has recovered."""
    return min(LARGEST_BATCH, night.paying // 20)


def until_recovered(recovery: Recovery, share: float) -> None:
    """Look on until this share has recovered."""
    wanted = int(recovery.night.paying * share)
    recovery.night.ground.until(
        f"{wanted} to recover", lambda: recovery.look().progress["recovered"] >= wanted, SECONDS
    )


def aborted(recovery: Recovery, *, killed: bool) -> int:
    """Abort it, wait until what was in flight has ended, and count what was published after the answer."""
    night = recovery.night
    assert recovery.tell("abort")["state"] == "aborted"
    answered = datetime.now(UTC)
    if killed:
        night.ground.stack.child("orchestrator").kill()
        night.ground.stack.start_orchestrator()
    night.ground.until("nothing in flight", lambda: not recovery.look().progress["in_flight"], SECONDS)
    seen = recovery.look()
    seen.expect_exact()
    assert seen.state == "aborted"
    return published_since(night.ground.stack.engines.ledger, answered)


def expect_rest_untouched(recovery: Recovery, *, killed: bool) -> None:
    """See that what did not go is given back, and that none of it runs later."""
    night, told = recovery.night, recovery.looks[-1].progress
    assert told["recovered"] + told["given_back"] == told["asked"] == night.paying, told
    assert told["given_back"] > 0
    runs = night.truth.read().runs_again
    time.sleep(2)  # what must not come has no sign to wait for
    assert night.truth.read().runs_again == runs
    night.ground.until("each run too many to be told", lambda: night.told_duplicates() == night.truth.beyond)
    assert killed or night.truth.beyond == 0


def published_since(ledger: str, moment: datetime) -> int:
    """Count the attempts that were published after a moment, by the ledger."""
    engine = STORE.open(ledger)
    with engine.connect() as rows:
        count = rows.scalar(select(func.count()).where(attempts.c.published_at > moment))
    engine.dispose()
    return int(count or 0)
