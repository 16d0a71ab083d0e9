"""What must hold when the night is over, and the figures that are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.acceptance.night.night import Night
    from tests.acceptance.night.walk import Walk

DRY_RUN_SECONDS: Final = 1.0


def expect_all(walk: Walk) -> None:
    """See that each task went well once, that each run beyond is counted, and that each command is in the audit."""
    expect_each_once(walk.night)
    assert walk.recovery.looks[-1].progress["recovered"] == walk.night.paying
    assert max(walk.dry_seconds) < DRY_RUN_SECONDS, walk.dry_seconds
    expect_audited(walk)


def expect_each_once(night: Night) -> None:
    """See that no task is forgotten, that none went well twice, and that each run is an attempt of the ledger."""
    truth = night.truth.read()
    assert len(truth.succeeded) == night.failures
    assert truth.beyond == truth.duplicates == night.told_duplicates() == 0


def expect_audited(walk: Walk) -> None:
    """See that what was typed is in the audit, with who and why, and that its chain holds."""
    records = audit_of(walk.night)
    kinds = {each["verb"] for each in records}
    assert {"retry", "update"} <= kinds, kinds
    walk.terminal.run("audit", "verify")


def audit_of(night: Night) -> list[dict[str, Any]]:
    """Give the audit, newest first."""
    found: list[dict[str, Any]] = night.ground.ask("/api/v1/audit?limit=1000")["records"]
    return found
