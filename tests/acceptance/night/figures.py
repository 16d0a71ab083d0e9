"""What must hold when the night is over, and the figures that are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestrator.flows.telling import RAISE
from tests.acceptance.night.night import SHARES
from tests.acceptance.night.pager import LEVELS
from tests.acceptance.night.walk import KNOWN, MODEL, PAYMENTS, REASON

if TYPE_CHECKING:
    from tests.acceptance.night.night import Night
    from tests.acceptance.night.walk import Walk

DRY_RUN_SECONDS: Final = 1.0
# Entries of the audit in one answer.
MOST: Final = 500


def expect_all(walk: Walk) -> None:
    """See that each task went well once, that each run beyond is counted, and that each command is in the audit."""
    expect_each_once(walk.night)
    assert walk.recovery.looks[-1].progress["recovered"] == walk.night.paying
    assert max(walk.dry_seconds) < DRY_RUN_SECONDS, walk.dry_seconds
    expect_audited(walk)
    expect_woken_once(walk)


def expect_woken_once(walk: Walk) -> None:
    """See that each level was woken once for each dependency, that the audit has it, and that the end was told."""
    # Nobody more than before it was acknowledged; of the other, which nobody acknowledged as a whole, all levels.
    assert set(walk.before) >= set(LEVELS[:2]), walk.before
    walk.night.pager.expect_once(PAYMENTS, *walk.before)
    walk.night.pager.expect_once(MODEL, *LEVELS)
    entries = audit_of(walk.night)
    woken = [(each["dependency"], each["after"]["level"]) for each in entries if each["verb"] == RAISE]
    # Levels that were reached in one look are told together, and noted as the highest of them.
    assert {name for name, _ in woken} == {PAYMENTS, MODEL}
    assert len(set(woken)) == len(woken)
    known = [each for each in entries if each["verb"] == "acknowledge" and each["reason"] == KNOWN]
    assert len(known) == sum(task.startswith("payments.") for task in SHARES)
    expect_told_of(walk)


def expect_told_of(walk: Walk) -> None:
    """See that the postmortem has when somebody was woken, when somebody answered, and when it was over."""
    told = walk.night.ground.ask(f"/api/v1/incidents/{walk.pages[PAYMENTS].incident}/postmortem")["detection"]
    assert told["opened_at"] <= told["alerted_at"] <= told["acknowledged_at"] <= told["closed_at"], told
    assert 0 < told["seconds_to_acknowledge"] < told["seconds_to_resolve"], told
    whole = walk.terminal.screens[-1].output
    assert "nobody acknowledged it" not in whole
    assert "no alert of it is recorded" not in whole


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
    verified = walk.night.ground.ask("/api/v1/audit/verify")
    assert (verified["holds"], verified["complete"]) == (True, True), verified


def audit_of(night: Night) -> list[dict[str, Any]]:
    """Give the audit, newest first."""
    found: list[dict[str, Any]] = []
    while more := night.ground.ask(_after(found))["entries"]:
        found += more
    return found


def _after(found: list[dict[str, Any]]) -> str:
    return f"/api/v1/audit?limit={MOST}" + (f"&cursor={found[-1]['seq']}" if found else "")
