"""The pack redrive on the embedded StackStorm: what its rules and workflows tell the orchestrator."""

from __future__ import annotations

import re
import shutil
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from orchestrator.stackstorm.client import StackStorm
from orchestrator.stackstorm.packs import packs_dir
from tests.packs.fake_orchestrator import FakeOrchestrator, fake_orchestrator
from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.workflows import Execution

PATIENCE = 20.0
RETRIED = ("transient", "dependency_down", "rate_limited", "unknown", "worker_lost")
TOKEN = "t0p-s3cret"


@dataclass
class Scene:
    """An embedded StackStorm with a copy of the pack that a test may edit, and a fake orchestrator."""

    url: str
    pack: Path
    orchestrator: FakeOrchestrator

    @property
    def stackstorm(self) -> StackStorm:
        """A client of it."""
        return StackStorm(self.url, None, 5.0)

    def edit(self, file: str, pattern: str, replacement: str) -> None:
        """Change one place of one file, and have the pack read again."""
        text = (self.pack / file).read_text()
        changed, count = re.subn(pattern, replacement, text)
        assert count == 1, f"expected {pattern} once in {file}, got it {count} times"
        (self.pack / file).write_text(changed)
        answer = requests.post(f"{self.url}/v1/packs/register", json={"packs": ["redrive"]}, timeout=5)
        assert answer.status_code == 200, answer.text

    def ended(self, trigger: str, payload: dict[str, Any], trace_tag: str) -> list[Execution]:
        """Dispatch a trigger, and give the executions that its rules started once all of them have ended."""
        self.stackstorm.dispatch(f"redrive.{trigger}", payload, trace_tag)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            (firing,) = self.stackstorm.firings(trace_tag)
            found = [self.stackstorm.execution(id_) for id_ in firing.execution_ids]
            if found and len(found) == len(firing.rules) and all(e.status in ("succeeded", "failed") for e in found):
                return found
            time.sleep(0.02)
        raise AssertionError(f"expected executions to end, got {self.stackstorm.firings(trace_tag)}")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene whose pack's task retries wait for no time."""
    pack = tmp_path / "packs" / "redrive"
    shutil.copytree(packs_dir() / "redrive", pack, ignore=shutil.ignore_patterns("__pycache__"))
    for workflow in (pack / "actions" / "workflows").glob("*.yaml"):
        workflow.write_text(workflow.read_text().replace("delay: 2", "delay: 0"))
    with fake_orchestrator() as orchestrator:
        config = f"orchestrator_url: {orchestrator.url}\napi_token: {TOKEN}\ntimeout_seconds: 2\n"
        with embedded(tmp_path, pack, configs={"redrive": config}) as url:
            yield Scene(url, pack, orchestrator)


def incident(kind: str, **more: Any) -> dict[str, Any]:
    """Give the payload of an incident's trigger."""
    return {
        "incident_id": "inc-1", "revision": 3, "kind": kind, "why": "{{ not a template }} <% nor this %>", "size": 1,
        "dependency": None, "signature": "s", "task": "app.call", "idempotent": True, "tries": 4, "failure": {}, **more,
    }  # fmt: skip


def test_retry_instructs_the_orchestrator(scene: Scene) -> None:
    """Each kind that may pass by itself gets the plan retry, with pace, gate, revision and its own execution's id."""
    for number, kind in enumerate(RETRIED):
        (execution,) = scene.ended("incident_opened", incident(kind), f"trace-{kind}")
        plan = scene.orchestrator.plans[number]
        assert (execution.rule, execution.status) == ("redrive.retry", "succeeded")
        assert (plan["plan"], plan["revision"], plan["pace"]) == ("retry", 3, {"in_flight": 20})
        assert plan["execution_id"] == execution.id
        assert plan["reason"] == f"rule retry, kind {kind}"
    assert plan["gate"] == {"first_after_seconds": 1, "factor": 2, "max_distance_seconds": 300, "max_tries": 100}
    assert set(scene.orchestrator.paths) == {"/api/v1/incidents/inc-1/plan"}
    assert set(scene.orchestrator.authorizations) == {f"Bearer {TOKEN}"}
    assert execution.output == {"incident_id": "inc-1", "plan": "retry", "state": "planned", "superseded": False}


@pytest.mark.parametrize(
    ("trigger", "kind", "rule", "plan"),
    [
        ("incident_opened", "resource", "redrive.reroute", {"plan": "reroute", "route": {"queue": "large"}}),
        ("incident_opened", "permanent", "redrive.escalate", {"plan": "escalate", "route": None, "gate": None}),
        ("incident_opened", "poison", "redrive.escalate", {"plan": "escalate"}),
        ("incident_reclassified", "transient", "redrive.retry_reclassified", {"plan": "retry"}),
        ("incident_reclassified", "resource", "redrive.reroute_reclassified", {"plan": "reroute"}),
        ("incident_reclassified", "poison", "redrive.escalate_reclassified", {"plan": "escalate"}),
        ("attempts_exhausted", "transient", "redrive.escalate_exhausted",
         {"plan": "escalate", "reason": "rule escalate_exhausted, kind transient, 4 tries"}),
    ],
)  # fmt: skip
def test_each_kind_has_its_rule(scene: Scene, trigger: str, kind: str, rule: str, plan: dict[str, Any]) -> None:
    """Exactly one rule answers each trigger and kind, with its own plan."""
    (execution,) = scene.ended(trigger, incident(kind), "trace")
    assert (execution.rule, execution.status) == (rule, "succeeded")
    assert scene.orchestrator.plans[0].items() >= plan.items()


def test_one_value_in_yaml_changes_what_happens(scene: Scene) -> None:
    """The pace in an action's default, and the plan in a rule's action.ref: nothing else is edited."""
    scene.edit("actions/retry.yaml", r"(in_flight:(?:.*\n)+?\s+default: )20", r"\g<1>3")
    scene.ended("incident_opened", incident("transient"), "trace-pace")
    scene.edit("rules/retry.yaml", r"ref: redrive\.retry", "ref: redrive.reroute")
    scene.ended("incident_opened", incident("transient"), "trace-plan")
    first, second = scene.orchestrator.plans
    assert (first["plan"], first["pace"]) == ("retry", {"in_flight": 3})
    assert (second["plan"], second["route"]) == ("reroute", {"queue": "large"})


def test_cron_backoff_is_one_switch_away(scene: Scene) -> None:
    """Its rule is off until someone enables it; then the plan carries the cron expression and the zone."""
    assert scene.stackstorm.rules_off("redrive.incident_opened", incident("rate_limited")) == ["redrive.cron_backoff"]
    scene.edit("rules/retry.yaml", r"      - rate_limited\n", "")
    scene.edit("rules/cron_backoff.yaml", r"enabled: false", "enabled: true")
    scene.ended("incident_opened", incident("rate_limited"), "trace")
    (plan,) = scene.orchestrator.plans
    assert (plan["plan"], plan["gate"]["cron"], plan["gate"]["timezone"]) == ("cron_backoff", "*/15 * * * *", "UTC")


def test_a_newer_revision_is_no_error(scene: Scene) -> None:
    """409 is not tried again: the workflow succeeds and says that it was superseded."""
    scene.orchestrator.answers = [(409, {"title": "Conflict", "detail": "revision 4 is newer"})]
    (execution,) = scene.ended("incident_opened", incident("transient"), "trace")
    assert (execution.status, execution.output["superseded"]) == ("succeeded", True)
    assert len(scene.orchestrator.plans) == 1


def test_a_refusal_is_not_tried_again(scene: Scene) -> None:
    """422 fails the workflow at the first try, and the execution holds the problem."""
    scene.orchestrator.answers = [(422, {"title": "Invalid plan", "detail": "no such queue"})]
    (execution,) = scene.ended("incident_opened", incident("resource"), "trace")
    assert execution.status == "failed"
    assert len(scene.orchestrator.plans) == 1
    shown = requests.get(f"{scene.url}/v1/executions/{execution.id}", timeout=5).json()
    told = shown["result"]["errors"][0]["result"]["result"]
    assert told == {"error": "Invalid plan: no such queue", "http_status": 422}


def test_an_orchestrator_that_comes_back_is_reached(scene: Scene) -> None:
    """503 is tried again until it is taken, with the same execution id each time."""
    scene.orchestrator.answers = [(503, {}), (503, {}), (202, {"state": "planned", "revision": 3})]
    (execution,) = scene.ended("incident_opened", incident("transient"), "trace")
    assert execution.status == "succeeded"
    assert [plan["execution_id"] for plan in scene.orchestrator.plans] == [execution.id] * 3


def test_an_orchestrator_that_stays_away_fails_the_workflow(scene: Scene) -> None:
    """After every try the workflow fails; no answer and no log shows the token."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config = scene.pack.parent.parent / "configs" / "redrive.yaml"
        config.write_text(f"orchestrator_url: http://127.0.0.1:{nobody.getsockname()[1]}\napi_token: {TOKEN}\n")
        scene.edit("actions/workflows/retry.yaml", r"count: 8", "count: 2")
        (execution,) = scene.ended("incident_opened", incident("transient"), "trace")
    assert execution.status == "failed"
    answer = requests.get(f"{scene.url}/v1/executions/{execution.id}/children", timeout=5)
    assert len(answer.json()) == 3
    assert "ConnectionError" in answer.text
    assert TOKEN not in answer.text


def release(first_successes: int) -> dict[str, Any]:
    """Give the payload of a release's trigger, whose counts are those of the ledger."""
    return {
        "incident_id": "inc-1", "revision": 5, "release_id": "rel-1", "kind": "transient", "task": "app.call",
        "first_attempts": 7, "first_successes": first_successes, "attempts": 9, "successes": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("trigger", "successes", "status"), [("release_succeeded", 7, "succeeded"), ("release_failed", 5, "failed")]
)
def test_settle_tells_the_first_retry_success(scene: Scene, trigger: str, successes: int, status: str) -> None:
    """It succeeds only if every first attempt did; the output holds both counts either way."""
    counts = {"first_attempts": 7, "first_successes": successes}
    scene.orchestrator.releases["rel-1"] = {"id": "rel-1", "incident_id": "inc-1", "outcome": status, **counts}
    (execution,) = scene.ended(trigger, release(successes), "trace")
    assert (execution.action, execution.status) == ("redrive.settle", status)
    assert execution.output == {
        "incident_id": "inc-1", "release_id": "rel-1", "outcome": status, **counts,
    }  # fmt: skip


def test_settle_believes_the_ledger(scene: Scene) -> None:
    """Where the trigger's counts are not the ledger's, the ledger's decide."""
    scene.orchestrator.releases["rel-1"] = {"first_attempts": 8, "first_successes": 7, "outcome": "failed"}
    (execution,) = scene.ended("release_succeeded", release(7), "trace")
    assert (execution.status, execution.output["first_attempts"]) == ("failed", 8)


def test_settle_of_an_unknown_release_fails_with_the_counts_it_was_given(scene: Scene) -> None:
    """The output holds both counts although nobody could be asked."""
    (execution,) = scene.ended("release_succeeded", release(7), "trace")
    assert execution.status == "failed"
    assert (execution.output["first_attempts"], execution.output["first_successes"]) == (7, 7)
