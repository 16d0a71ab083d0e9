"""What must hold when the night is over, and the figures that are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.night.night import SHARES
from tests.acceptance.night.walk import REASON

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
    """See that what was typed is in the audit with who and why, what rules decided too, and that its chain holds."""
    entries = audit_of(walk.night)
    retries = [each for each in entries if each["verb"] == "retry"]
    assert {(each["origin"], each["reason"]) for each in retries} == {("person", REASON)}
    # The command itself, and beside it what it took of each incident.
    (whole,) = (each["after"]["failures"] for each in retries if "part_of" not in each["after"])
    taken = sum(each["after"]["failures"] for each in retries if "part_of" in each["after"])
    assert whole == taken == walk.night.paying
    (updated,) = (each for each in entries if each["after"].get("owner") == "ada")
    assert (updated["origin"], updated["before"]["owner"]) == ("person", None)
    planned = {each["incident_id"] for each in entries if each["origin"] == "rule"}
    assert len(planned) == len(SHARES)
    assert walk.night.ground.ask("/api/v1/audit/verify")["holds"]


def audit_of(night: Night) -> list[dict[str, Any]]:
    """Give the audit, newest first."""
    found: list[dict[str, Any]] = night.ground.ask("/api/v1/audit?limit=1000")["entries"]
    return found
