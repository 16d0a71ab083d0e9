"""Who decides when: rules that are switched on later, the built-in plan, and a StackStorm that dies meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from orchestrator.ledger.sql import SqlLedger
from tests.acceptance.test_in_charge import change

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.field import Field

# The built-in plan acts after this many seconds, and the rules are looked at every second.
SOON = {"REDRIVE_BUILTIN_AFTER": "4"}
TASKS = ("a", "b", "c")
WORKFLOWS = ("retry", "reroute", "cron_backoff")


def switch(field: Field, rule: str, *, enabled: bool) -> None:
    """Switch a rule on or off in StackStorm."""
    known = field.st2("GET", f"/rules/{rule}")
    field.st2("PUT", f"/rules/{known['id']}", json=known | {"enabled": enabled})


def stop_stackstorm(field: Field) -> None:
    """Stop StackStorm once its rules have been seen."""
    ledger = SqlLedger.open(field.stack.engines.ledger)

    def seen() -> bool:
        with ledger.reading() as tx:
            return bool(tx.contact().rules)

    field.until("the rules to be seen", seen)
    ledger.close()
    field.stack.child("stackstorm").stop()


def note_of(field: Field, words: str) -> dict[str, Any]:
    """Wait until the incident's note has these words; gives the incident."""
    found: dict[str, Any] = field.until(words, lambda: words in ((each := field.incident())["note"] or "") and each)
    return found


def recovered(field: Field, seconds: float = 40) -> dict[str, Any]:
    """Wait until the incident has recovered, and its release is told; gives it."""

    def done() -> dict[str, Any] | None:
        each = field.incident()
        return each if each["state"] == "recovered" and all(one["outcome"] for one in each["releases"]) else None

    found: dict[str, Any] = field.until("the incident to recover", done, seconds)
    return found


def told_whole(field: Field) -> None:
    """See that every failure shows its plan, the execution that made it, and the trigger that began that."""
    for failure in field.failures():
        shown = field.ask(f"/api/v1/failures/{failure['id']}")
        execution = shown["execution_id"]
        assert execution
        assert shown["plan"]["execution_id"] == execution
        (answered,) = [each for each in shown["triggers"] if execution in each["execution_ids"]]
        assert answered["trigger_instance_id"]
        assert answered["rules"]
        assert {each["execution_id"] for each in shown["attempts"]} == {execution}
        assert field.st2("GET", f"/executions/{execution}")["status"] == "succeeded"


def test_a_rule_that_is_switched_on_decides_for_the_incident_that_waits(make_field: Callable[..., Field]) -> None:
    """Off, nothing happens; on, the incident that waited is asked about again, and recovers by the rule's own plan."""
    field = make_field(environ=SOON)
    switch(field, "redrive.retry", enabled=False)
    field.send("fragile", "a")
    note_of(field, "rule redrive.retry is off")
    assert set(field.runs().values()) == {1}
    switch(field, "redrive.retry", enabled=True)
    assert recovered(field)["plan"]["built_in"] is False
    told_whole(field)


@pytest.mark.slow
def test_the_built_in_plan_recovers_while_stackstorm_is_away(make_field: Callable[..., Field]) -> None:
    """With StackStorm killed after it was seen, the built-in plan acts after the grace, and is shown as such."""
    field = make_field(environ=SOON)
    stop_stackstorm(field)
    field.send("fragile", *TASKS)
    incident = recovered(field)
    assert (incident["plan"]["built_in"], incident["plan"]["execution_id"]) == (True, None)
    assert "StackStorm cannot be reached since" in incident["plan"]["reason"]
    attempts = [each for failure in field.failures() for each in failure["attempts"]]
    assert {each["execution_id"] for each in attempts} == {None}
    assert set(field.runs().values()) == {2}


@pytest.mark.slow
def test_a_rule_that_was_off_is_not_stood_in_for(make_field: Callable[..., Field]) -> None:
    """The rule was switched off before StackStorm went: the built-in plan does nothing, and the incident says why."""
    field = make_field(environ=SOON)
    switch(field, "redrive.retry", enabled=False)
    field.send("fragile", "a")
    note_of(field, "rule redrive.retry is off")
    stop_stackstorm(field)
    field.send("slow", "b")
    field.until("the note", lambda: any("is off, as last seen" in (each["note"] or "") for each in field.incidents()))
    assert set(field.runs().values()) == {1}


@pytest.mark.slow
def test_the_rule_takes_over_when_stackstorm_is_back(make_field: Callable[..., Field]) -> None:
    """While the dependency is down too, the built-in plan holds; StackStorm back, its workflow's plan takes over."""
    field = make_field(environ=SOON)
    (field.folder / "down").touch()
    stop_stackstorm(field)
    field.send("fragile", *TASKS)
    field.until("the built-in plan", lambda: (field.incident()["plan"] or {}).get("built_in"))
    field.stack.start_stackstorm()
    field.until("the rule's plan", lambda: field.incident()["plan"]["execution_id"])
    (field.folder / "down").unlink()
    assert recovered(field)["plan"]["built_in"] is False


def decide_by(packs: Path, workflow: str) -> None:
    """Let the rule of new incidents start one of the three workflows, with values that suit a test."""
    change(packs, "rules/retry.yaml", "action", "ref", to=f"redrive.{workflow}")
    change(packs, "actions/reroute.yaml", "parameters", "queue", "default", to="bulk")
    change(packs, "actions/cron_backoff.yaml", "parameters", "cron", "default", to="* * * * *")


def slow_down(packs: Path, workflow: str) -> None:
    """Let a workflow take a few seconds before it instructs."""
    path = packs / "redrive" / "actions" / "workflows" / f"{workflow}.yaml"
    whole = yaml.safe_load(path.read_text())
    whole["tasks"] = {"rest": {"action": "core.local", "input": {"cmd": "sleep 3"}, "next": [{"do": "instruct"}]}} | (
        whole["tasks"]
    )
    path.write_text(yaml.safe_dump(whole, sort_keys=False))


@pytest.mark.slow
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_stackstorm_that_is_killed_in_mid_workflow_decides_all_the_same(
    make_field: Callable[..., Field],
    packs: Path,
    workflow: str,
) -> None:
    """Killed while its workflow runs and started again: one plan, by an execution, and no task runs a third time."""
    decide_by(packs, workflow)
    slow_down(packs, workflow)
    field = make_field(packs=packs)
    field.send("fragile", *TASKS)
    field.until("the workflow to run", lambda: _running(field, workflow))
    field.stack.child("stackstorm").kill()
    assert field.incident()["plan"] is None
    field.stack.start_stackstorm()
    incident = recovered(field, seconds=120)
    assert incident["plan"]["name"] == workflow
    told_whole(field)
    assert set(field.runs().values()) == {2}


def _running(field: Field, workflow: str) -> bool:
    executions = field.st2("GET", "/executions", params={"action": f"redrive.{workflow}"})
    return any(each["status"] == "running" for each in executions)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workflow", "changed"),
    [
        ("retry", ("in_flight", 3, "pace")),
        ("reroute", ("queue", "celery", "route")),
        ("cron_backoff", ("max_tries", 7, "gate")),
    ],
    ids=WORKFLOWS,
)
def test_each_workflow_changes_by_its_yaml_alone(
    make_field: Callable[..., Field], packs: Path, workflow: str, changed: tuple[str, object, str]
) -> None:
    """One default in the action's YAML is what the plan of its execution says."""
    name, value, part = changed
    decide_by(packs, workflow)
    change(packs, f"actions/{workflow}.yaml", "parameters", name, "default", to=value)
    field = make_field(packs=packs)
    field.send("fragile", "a")
    plan = field.until("the plan", lambda: field.incident()["plan"])
    assert (plan["name"], plan[part][name]) == (workflow, value)
    assert plan["execution_id"]
