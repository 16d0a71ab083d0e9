"""The pack redrive edited, and without an orchestrator; what it does as it is, its own tests/workflows.py says."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml

from orchestrator.stackstorm.client import StackStorm
from orchestrator.stackstorm.embedded.content.validation import validate
from orchestrator.stackstorm.embedded.rules import templates
from orchestrator.stackstorm.packs import packs_dir
from tests.packs.fake_orchestrator import FakeOrchestrator, fake_orchestrator
from tests.stackstorm_server import embedded, ready, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.domain.workflows import Execution

PATIENCE = 20.0
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


def test_one_value_in_yaml_changes_what_happens(scene: Scene) -> None:
    """The pace in an action's default, and the plan in a rule's action.ref: nothing else is edited."""
    scene.edit("actions/retry.yaml", r"(in_flight:(?:.*\n)+?\s+default: )20", r"\g<1>3")
    scene.ended("incident_opened", incident("transient"), "trace-pace")
    scene.edit("rules/retry.yaml", r"ref: redrive\.retry", "ref: redrive.reroute")
    scene.ended("incident_opened", incident("transient"), "trace-plan")
    first, second = scene.orchestrator.plans
    assert (first["plan"], first["pace"]) == ("retry", {"in_flight": 3, "tries_each": 10})
    assert (second["plan"], second["route"]) == ("reroute", {"queue": "large"})


def test_a_schedule_stands_in_yaml(scene: Scene) -> None:
    """Windows, blackouts, ladder and misfire policy are defaults of the action, and reach the orchestrator as given."""
    scene.edit("rules/retry.yaml", r"ref: redrive\.retry", "ref: redrive.cron_backoff")
    edits = {
        "windows": ["22:00-06:00", "sat 08:00-12:00"],
        "blackouts": ["2026-12-24/2027-01-01"],
        "ladder": [{"after": 8, "cron": "0 * * * *"}],
        "misfire": "catch_up",
    }
    for name, value in edits.items():
        scene.edit(
            "actions/cron_backoff.yaml", rf"(  {name}:\n(?:    .*\n)*?    default: ).*", rf"\g<1>{json.dumps(value)}"
        )
    (execution,) = scene.ended("incident_opened", incident("transient"), "trace")
    assert execution.status == "succeeded"
    (plan,) = scene.orchestrator.plans
    assert plan["gate"].items() >= edits.items()


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


@pytest.mark.parametrize("pack", ["redrive", "redrive_performance"])
def test_the_readme_names_every_input_of_every_action(pack: str) -> None:
    """Each row of its tables holds all that can be given, and each action, rule and command of chat has its row."""
    folder = packs_dir() / pack
    rows = (folder / "README.md").read_text().splitlines()
    for file in sorted((folder / "actions").glob("*.yaml")):
        action = yaml.safe_load(file.read_text())
        (row,) = [row for row in rows if row.startswith(f"| `{action['name']}` | {action['description']} |")]
        named = re.findall(r"\w+", row.rpartition(" | ")[2])
        inputs = {name for name, schema in action.get("parameters", {}).items() if not schema.get("immutable")}
        assert inputs - {"timeout"} - set(named) == set(), file.name
    for file in (folder / "rules").glob("*.yaml"):
        rule = yaml.safe_load(file.read_text())
        state = "on" if rule["enabled"] else "off"
        assert any(row.startswith(f"| `{rule['name']}` |") and row.endswith(f"| {state} |") for row in rows), file.name
    for file in (folder / "policies").glob("*.yaml"):
        policy = yaml.safe_load(file.read_text())
        assert f"| `{policy['name']}` | {policy['parameters']['threshold']} |" in rows, file.name
    for file in (folder / "aliases").glob("*.yaml"):
        alias = yaml.safe_load(file.read_text())
        assert f"| `{alias['formats'][0]['display']}` | {alias['description']} |" in rows, file.name


@pytest.mark.parametrize(
    "file", sorted((packs_dir() / "redrive" / "aliases").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_result_of_an_alias_is_the_action_s_text_or_says_that_there_is_none(file: Path) -> None:
    """Its template shows the text as it is, evaluating nothing of it; an action that raised is told by its status."""
    shown = yaml.safe_load(file.read_text())["result"]["format"]
    done = {"status": "succeeded", "result": {"result": {"text": "{{ 7*7 }} <% 7*7 %>"}}}
    assert templates.text(shown, {"execution": done}) == "{{ 7*7 }} <% 7*7 %>"
    raised = {"status": "failed", "result": {"result": "None", "exit_code": 1}}
    assert templates.text(shown, {"execution": raised}) == "it could not be done: failed"


def test_the_pack_validates() -> None:
    """No error, and nothing of it that the embedded StackStorm has not."""
    verdict = validate([packs_dir() / "redrive"], None)
    assert (verdict.errors, verdict.refused) == ((), ())
    assert len(verdict.content.policies) == len(list((packs_dir() / "redrive" / "policies").glob("*.yaml")))


@pytest.mark.slow
def test_an_inquiry_whose_time_is_over_ends_the_workflow_and_answers_nothing(scene: Scene) -> None:
    """After its minute nobody is asked any more; the workflow tells the state, and the orchestrator decides itself."""
    recovery = "6a1c2f6e-0000-5000-8000-000000000001"
    scene.orchestrator.releases[recovery] = {"id": recovery, "state": "aborted"}
    asked = {"recovery_id": recovery, "timeout_minutes": 1}
    body = {"action": "redrive.bulk_recovery", "parameters": asked}
    execution = requests.post(f"{scene.url}/v1/executions", json=body, timeout=5).json()["id"]
    deadline = time.monotonic() + 60 + PATIENCE
    while not (found := scene.stackstorm.execution(execution)).ended:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert found.status == "succeeded"
    assert found.output == {"recovery_id": recovery, "state": "aborted", "late": False, "answered": False}
    assert not [path for path in scene.orchestrator.paths if path.endswith(("/approve", "/reject"))]


def test_a_stackstorm_that_is_killed_while_it_proposes_proposes_once(scene: Scene, tmp_path: Path) -> None:
    """Started again it asks once more under the same key, so that the orchestrator makes one recovery; then it asks."""
    recovery = "6a1c2f6e-0000-5000-8000-000000000001"
    dry, proposed = (200, {"eligible": 7}), (202, {"id": recovery, "failures": 7})
    scene.orchestrator.answers = [dry, proposed, dry, proposed, (200, {"id": recovery})]
    folder = tmp_path / "second"
    shutil.copytree(tmp_path / "configs", folder / "configs")
    process = start(folder, scene.pack)
    body = {"action": "redrive.bulk_recovery", "parameters": {"incident_id": "inc-1", "reason": "so"}}
    execution = requests.post(f"{ready(process, folder / 'ready.json')}/v1/executions", json=body, timeout=5).json()[
        "id"
    ]
    until(lambda: len(scene.orchestrator.keys) == 1)
    process.kill()
    process.communicate()
    scene.orchestrator.open.set()
    with embedded(folder, scene.pack) as url:
        until(lambda: StackStorm(url, None, 5.0).execution(execution).status == "paused")
        (inquiry,) = requests.get(f"{url}/v1/inquiries", timeout=5).json()
    assert scene.orchestrator.keys == [execution, execution]
    assert inquiry["route"] == f"redrive.recovery.{recovery}"


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
