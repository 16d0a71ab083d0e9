"""Who is in charge: rules and workflows decide, a person may always act, and the modes hold everything back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.field import Field


def change(packs: Path, file: str, *keys: str, to: object) -> None:
    """Change one value of a pack's YAML."""
    path = packs / "redrive" / file
    whole = part = yaml.safe_load(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = to
    path.write_text(yaml.safe_dump(whole))


def retried_by_hand(field: Field) -> None:
    """Release the one failure by hand, and see it recover."""
    failure = field.failures()[0]
    answer = field.command("POST", "/recovery/retry", {"failure_id": failure["id"], "reason": "by hand"})
    assert answer.status_code == 202, answer.text
    field.until("the retry by hand", lambda: field.ask(answer.headers["Location"])["outcome"] == "succeeded")
    assert field.incident()["state"] == "recovered"


def quiet(field: Field) -> None:
    """See that nothing was redriven."""
    incident = field.incident()
    assert incident["releases"] == []
    assert set(field.runs().values()) == {1}


def test_a_disabled_rule_means_that_nothing_happens_by_itself(field: Field) -> None:
    """With the rule off nothing is redriven, the incident names the rule, and a retry by hand works."""
    rule = field.st2("GET", "/rules/redrive.retry")
    field.st2("PUT", f"/rules/{rule['id']}", json=rule | {"enabled": False})
    field.send("fragile", "a")
    incident = field.until("the note", lambda: (each := field.incident())["note"] and each)
    assert "rule redrive.retry is off" in incident["note"]
    quiet(field)
    retried_by_hand(field)


@pytest.mark.slow
def test_with_stackstorm_stopped_a_person_can_still_act(field: Field) -> None:
    """With StackStorm down nothing is redriven by itself, the incident says so, and a retry by hand works."""
    field.stack.child("stackstorm").stop()
    field.send("fragile", "a")
    incident = field.until("the note", lambda: (each := field.incident())["note"] and each)
    assert "StackStorm" in incident["note"]
    assert "cannot be reached" in incident["note"]
    quiet(field)
    retried_by_hand(field)


@pytest.mark.slow
def test_one_value_of_the_yaml_changes_the_pace(make_field: Callable[..., Field], packs: Path) -> None:
    """The pace in the action's YAML is the pace of the release: one in flight, and never two."""
    change(packs, "actions/retry.yaml", "parameters", "in_flight", "default", to=1)
    field = make_field(packs=packs)
    field.send("slow", *"abcd")
    most = 0

    def recovered() -> bool:
        nonlocal most
        flying = [a for f in field.failures() for a in f["attempts"] if a["state"] in ("recorded", "published")]
        most = max(most, len(flying))
        return bool(field.incident()["state"] == "recovered")

    field.until("the incident to recover", recovered)
    assert field.incident()["plan"]["pace"]["in_flight"] == 1
    assert most == 1


@pytest.mark.slow
def test_one_value_of_the_yaml_turns_retry_into_reroute(make_field: Callable[..., Field], packs: Path) -> None:
    """The action named in the rule decides: the same failure goes to the other queue."""
    change(packs, "rules/retry.yaml", "action", "ref", to="redrive.reroute")
    change(packs, "actions/reroute.yaml", "parameters", "queue", "default", to="bulk")
    field = make_field(packs=packs)
    field.send("fragile", "a")
    field.until("the incident to recover", lambda: field.incident()["state"] == "recovered")
    assert [line.split()[2] for line in field.run_lines()] == ["celery", "bulk"]


ROUTES = [
    {
        "dependency": "model",
        "constraints": {"regions": ["eu"]},
        "targets": [
            {"name": "us", "queue": "bulk", "kwargs": {"region": "us"}, "dependency": "us-model", "region": "us"},
            {"name": "eu", "queue": "bulk", "kwargs": {"region": "eu"}, "dependency": "eu-model", "region": "eu"},
        ],
    }
]


@pytest.mark.slow
def test_one_value_of_the_yaml_sends_failures_by_the_table_while_home_is_down(
    make_field: Callable[..., Field], packs: Path
) -> None:
    """With `table` on, tasks recover elsewhere in the outage, none where a constraint forbids it; attempts tell why."""
    change(packs, "rules/retry.yaml", "action", "ref", to="redrive.reroute")
    change(packs, "actions/reroute.yaml", "parameters", "table", "default", to=True)
    field = make_field(packs=packs, environ={"REDRIVE_ROUTES": json.dumps(ROUTES)})
    (field.folder / "down").touch()
    sent = field.send("answer", *"abcdef")
    field.until("the incident to recover", lambda: field.incident()["state"] == "recovered")
    assert {each.get(timeout=10) for each in sent} == {"eu"}
    last = [each["attempts"][-1]["decision"] for each in field.failures()]
    assert [each["chosen"]["name"] for each in last] == ["eu"] * 6
    refused = {each["name"]: each["refused"] for each in last[0]["candidates"]}
    assert (refused["us"], refused["eu"]) == ("region us is not allowed (eu)", None)


@pytest.mark.slow
def test_cron_backoff_waits_for_the_next_time_of_its_expression(make_field: Callable[..., Field], packs: Path) -> None:
    """With cron_backoff the first canary goes at a time of the cron expression, and not before."""
    change(packs, "rules/retry.yaml", "action", "ref", to="redrive.cron_backoff")
    change(packs, "actions/cron_backoff.yaml", "parameters", "cron", "default", to="* * * * *")
    field = make_field(packs=packs)
    field.send("fragile", "a")
    release = field.until("the release", lambda: field.incident()["releases"])[0]
    assert release["plan"]["name"] == "cron_backoff"
    assert release["gate_at"].endswith(":00Z") or ":00+00:00" in release["gate_at"]
    field.until("the incident to recover", lambda: field.incident()["state"] == "recovered", seconds=75)
    first = field.failures()[0]["attempts"][0]
    assert datetime.fromisoformat(first["recorded_at"]) >= datetime.fromisoformat(release["gate_at"])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("misfire", ["fire_once", "skip"])
def test_a_time_at_which_the_orchestrator_was_killed_is_not_lost(
    make_field: Callable[..., Field], packs: Path, misfire: str
) -> None:
    """Killed in mid-backoff and started after the time has passed: fire_once goes at once, skip at the next time."""
    change(packs, "rules/retry.yaml", "action", "ref", to="redrive.cron_backoff")
    for name, value in {"cron": "* * * * *", "misfire": misfire, "misfire_grace_seconds": 5}.items():
        change(packs, "actions/cron_backoff.yaml", "parameters", name, "default", to=value)
    field = make_field(packs=packs)
    field.until("the first half of a minute", lambda: datetime.now(UTC).second < 30)
    field.send("fragile", "a")
    gate_at = datetime.fromisoformat(field.until("the release", lambda: field.incident()["releases"])[0]["gate_at"])
    field.stack.child("orchestrator").kill()
    field.until("the time to be missed", lambda: datetime.now(UTC) > gate_at + timedelta(seconds=10), seconds=80)
    field.stack.start_orchestrator()
    field.until("the incident to recover", lambda: field.incident()["state"] == "recovered", seconds=90)
    (attempt,) = field.failures()[0]["attempts"]
    missed_by = datetime.fromisoformat(attempt["recorded_at"]) - gate_at
    if misfire == "fire_once":
        assert timedelta(seconds=10) < missed_by < timedelta(seconds=60)
    else:
        assert timedelta(seconds=60) <= missed_by < timedelta(seconds=65)


@pytest.mark.slow
def test_observe_publishes_nothing(make_field: Callable[..., Field]) -> None:
    """In mode observe failures are taken in and planned, and nothing is published; act lets them go."""
    field = make_field(mode="observe")
    field.send("fragile", *"abc")
    field.until("the plan", lambda: field.incident()["state"] == "planned")
    field.worker.stop()
    quiet(field)
    assert field.incident()["size"] == 3


@pytest.mark.slow
def test_paused_in_the_middle_of_a_release_stops_it_within_one_batch(
    make_field: Callable[..., Field], packs: Path
) -> None:
    """After the switch to paused no more than one batch is published; act takes the release up again."""
    change(packs, "actions/retry.yaml", "parameters", "in_flight", "default", to=2)
    field = make_field(packs=packs)
    names = [f"n{number}" for number in range(30)]
    field.send("slow", *names)
    field.until("the ramp", lambda: sum(field.runs().values()) >= len(names) + 4)
    assert field.command("PUT", "/api/v1/mode", {"mode": "paused"}).json() == {"mode": "paused"}
    recorded = field.ask("/api/v1/first-retry")["first_attempts"]
    field.until("the batch to land", lambda: field.ask("/api/v1/first-retry")["first_in_flight"] == 0)
    after = field.ask("/api/v1/first-retry")["first_attempts"]
    assert recorded <= after <= recorded + 2 < len(names)
    field.command("PUT", "/api/v1/mode", {"mode": "act"})
    field.until("the incident to recover", lambda: field.incident()["state"] == "recovered")


def test_a_task_that_is_not_declared_idempotent_waits_and_says_why(field: Field) -> None:
    """Without a declaration a task is never run again by itself; the incident says how to change that."""
    field.send("charge", "a")
    incident = field.until("the note", lambda: (each := field.incident())["note"] and each)
    assert "not declared idempotent" in incident["note"]
    assert incident["state"] == "waiting"
    quiet(field)
    retried_by_hand(field)
