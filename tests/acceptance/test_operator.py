"""An operator in an outage: what they ask for waits with all others, or is forced, and the audit tells which."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acceptance.field import Field

FLYING = ("recorded", "published")


def failures_of(field: Field) -> list[dict[str, Any]]:
    """Give every failure of every incident."""
    found = [field.ask(f"/api/v1/incidents/{each['id']}/failures")["failures"] for each in field.incidents()]
    return [failure for failures in found for failure in failures]


def attempts_of(field: Field, *tasks: str) -> list[dict[str, Any]]:
    """Give the attempts of these tasks, or of all."""
    return [one for each in failures_of(field) if not tasks or each["task_id"] in tasks for one in each["attempts"]]


def held(field: Field, number: int) -> bool:
    """Tell whether so many failures wait on the ramp of their dependency."""
    ramps = {release["ramp"] for each in field.incidents() for release in each["releases"]}
    return len(failures_of(field)) == number and ramps == {"model"}


def command_of(field: Field, task_id: str, **more: Any) -> dict[str, Any]:
    """Press retry, and give what the API said."""
    answer = field.command("POST", "/recovery/retry", {"task_id": task_id, "reason": "the page is wrong", **more})
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


def expect_audit(field: Field) -> None:
    """See that the commands are kept with their actor and reason, and the forced one with what it overrode."""
    commands = [each for incident in field.incidents() for each in incident["commands"] if each["kind"] == "retry"]
    assert {each["actor"] for each in commands} == {"unauthenticated on loopback"}
    (by_force,) = (each for each in commands if each["forced"])
    assert by_force["reason"] == "the page is wrong"
    assert any("held by" in each for each in by_force["before"]["waits_for"])


def ramped(field: Field) -> list[dict[str, Any]]:
    """Give the attempts of all releases that go by the ramp, in the order in which they were recorded."""
    forced = {each["id"] for incident in field.incidents() for each in incident["releases"] if each["forced"]}
    found = (each for each in attempts_of(field) if each["release_id"] not in forced)
    return sorted(found, key=lambda each: moment(each["recorded_at"]))


def moment(text: str) -> datetime:
    """Read a time of the API."""
    return datetime.fromisoformat(text)


def expect_one_canary(field: Field) -> None:
    """See by the ledger that one went at a time, in the outage and after it, until one had succeeded."""
    tried = ramped(field)
    ways = [each["state"] for each in tried]
    assert "succeeded" in ways
    until_one_went_well = ways.index("succeeded") + 1
    assert until_one_went_well > 1, "expected a canary that failed in the outage, got none"
    assert len(tried) > until_one_went_well, "expected others behind the canary, got none"
    for canary, following in list(pairwise(tried))[:until_one_went_well]:
        assert moment(canary["ended_at"]) <= moment(following["recorded_at"]), (canary, following)


@pytest.mark.slow
def test_retry_in_the_outage_waits_or_is_forced(field: Field) -> None:
    """Two incidents of one dependency, and a person who presses retry: one canary and one ramp for all; what is forced
    goes at once, and the audit says who, why and what was overridden.
    """
    down = field.folder / "down"
    down.touch()
    sent = [*field.send("fragile", *"abcd"), *field.send("slow", *"efgh")]
    field.until("two incidents on one ramp", lambda: len(field.incidents()) == 2 and held(field, 8))
    field.until("a canary to fail in the outage", lambda: any(each["state"] == "failed" for each in ramped(field)))
    field.command("POST", "/api/v1/dependencies/model/hold", {"reason": "the provider is down"})
    field.until("nothing to be out", lambda: all(each["state"] not in FLYING for each in attempts_of(field)))
    waiting, forced = (sent[1].id, sent[2].id)
    before = len(attempts_of(field, waiting))

    of_forced = len(attempts_of(field, forced))
    told = command_of(field, waiting)
    assert any("held by" in each for each in told["waits_for"])
    told_forced = command_of(field, forced, force=True)
    assert told_forced["overrides"]
    field.until("the forced redrive", lambda: len(attempts_of(field, forced)) > of_forced)
    assert len(attempts_of(field, waiting)) == before
    expect_audit(field)
    down.unlink()
    field.command("POST", "/api/v1/dependencies/model/release", {"reason": "it is back"})
    field.until("both to recover", lambda: {each["state"] for each in field.incidents()} == {"recovered"}, seconds=90)
    expect_one_canary(field)
    released = [release for each in field.incidents() for release in each["releases"]]
    assert {each["ramp"] for each in released if not each["forced"]} == {"model"}
