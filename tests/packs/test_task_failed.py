"""The trigger of single failures with a rule on it, from the failure event to the execution, in a StackStorm."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from orchestrator.flows.dispatch import Dispatcher
from orchestrator.flows.recording import Recorder
from orchestrator.stackstorm.client import StackStorm
from orchestrator.stackstorm.packs import packs_dir
from tests.packs.fake_orchestrator import fake_orchestrator
from tests.recovery import failed_event
from tests.scene import Scene
from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.domain.dispatches import Dispatch

PATIENCE = 20.0
FAILED = "redrive.task_failed"


def told(scene: Scene) -> list[Dispatch]:
    """Give the triggers of single failures."""
    return [each for each in scene.dispatches if each.trigger == FAILED]


def test_a_rule_that_is_on_wakes_somebody_for_each_failure_up_to_the_cap(tmp_path: Path) -> None:
    """Two of three failures are told of, each starts the rule's action once, and no plan comes of it."""
    pack = tmp_path / "packs" / "redrive"
    shutil.copytree(packs_dir() / "redrive", pack, ignore=shutil.ignore_patterns("__pycache__"))
    for rule in (pack / "rules").glob("*.yaml"):
        mine = rule.name == "alert_task_failed.yaml"
        text = rule.read_text().replace("enabled: true", "enabled: false")
        rule.write_text(text.replace("enabled: false", "enabled: true").replace("billing.*", "app.*") if mine else text)
    scene = Scene(recorder=Recorder(task_failed_per_minute=2))
    with fake_orchestrator() as orchestrator:
        config = f"orchestrator_url: {orchestrator.url}\napi_token: t0p\ntimeout_seconds: 2\n"
        with embedded(tmp_path, pack, configs={"redrive": config}) as url:
            scene.take_in(*(failed_event(number) for number in range(3)))
            dispatcher = Dispatcher(scene.ledger, StackStorm(url, None, 5.0), scene.clock, 60.0)
            deadline = time.monotonic() + PATIENCE
            while len(orchestrator.paths) < 2 or not all(each.execution_ids for each in told(scene)):
                assert time.monotonic() < deadline, f"expected two calls, got {orchestrator.paths}, {told(scene)}"
                dispatcher.run_once()
                scene.later(0.3)
                time.sleep(0.02)
    assert {each.rules for each in told(scene)} == {("redrive.alert_task_failed",)}
    assert len({each.execution_ids for each in told(scene)}) == 2
    assert orchestrator.paths == [f"/api/v1/incidents/{scene.incident.id}/escalate"] * 2
    assert scene.incident.plan is None
