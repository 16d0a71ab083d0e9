"""The process is killed at random moments under load: nothing that was accepted is lost, and nothing is stuck."""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from orchestrator.stackstorm.embedded.orquesta import statuses
from tests import stackstorm_server
from tests.unit.stackstorm.asking import Asking, until, write

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = {
    "join": """\
tasks:
  begin: {action: demo.nothing, next: [{do: [left, right]}]}
  left: {action: demo.work, next: [{do: end}]}
  right: {action: demo.nothing, next: [{do: end}]}
  end: {join: all, action: demo.nothing}
output: [{left: <% task(left).status %>}]
""",
    "items": """\
tasks:
  each:
    with: {items: "<% list(1, 2, 3, 4) %>", concurrency: 2}
    action: demo.work
    next: [{publish: [{got: <% result().result %>}]}]
output: [{got: <% ctx(got) %>}]
""",
    "retried": """\
tasks:
  bad: {action: demo.fails, retry: {count: 2, delay: 1}, next: [{when: <% failed() %>, do: remedy}]}
  remedy: {action: demo.nothing}
""",
    "late": "tasks: {one: {action: demo.nothing, next: [{do: two}]}, two: {action: demo.nothing, delay: 1}}\n",
    "asking": "tasks: {ask: {action: core.ask, next: [{do: go}]}, go: {action: demo.nothing}}\n",
    "poison": f"""\
input: [{{x: "{"[" * 20_000}"}}]
tasks:
  one: {{action: demo.nothing, next: [{{do: two}}]}}
  two: {{action: demo.typed, input: {{a: <% ctx(x) %>}}}}
""",
    "above": "tasks: {below: {action: demo.join, next: [{do: last}]}, last: {action: demo.nothing}}\n",
}
ACTIONS = {"work": "time.sleep(0.05)\n        return 1", "fails": "return (False, 1)"}
BASE = """\
import time
from st2common.runners.base_action import Action


class Run(Action):
    def run(self):
        """
# How many executions are right below a workflow that has succeeded: each task ran once, none twice.
BELOW: Final = {"join": 4, "items": 4, "late": 2, "asking": 2, "above": 2}
OUTPUT: Final = {"join": {"left": "succeeded"}, "items": {"got": [1, 1, 1, 1]}}
ACTION_LOG: Final = re.compile(
    "requested( delayed)?( canceling)? canceled"
    "|requested( delayed)? scheduled running (canceling canceled|succeeded|failed|abandoned|pending succeeded)"
)
WORKFLOW_LOG: Final = re.compile(
    "requested scheduled running( pausing| paused| resuming| running)*( canceling)? (succeeded|failed|canceled)"
)


def files() -> dict[str, str]:
    """The files of the pack demo."""
    found = {
        "pack.yaml": "{name: demo, description: d, version: 0.1.0, author: a}",
        "triggers/evt.yaml": "name: evt\n",
        "rules/on_evt.yaml": "{name: on_evt, enabled: true, trigger: {type: demo.evt}, action: {ref: demo.join}}",
        "actions/nothing.yaml": "{name: nothing, runner_type: noop}",
        "actions/typed.yaml": "{name: typed, runner_type: noop, parameters: {a: {type: array}}}",
    }
    for name, text in WORKFLOWS.items():
        found[f"actions/workflows/{name}.yaml"] = f"version: 1.0\n{text}"
        found[f"actions/{name}.yaml"] = f"{{name: {name}, runner_type: orquesta, entry_point: workflows/{name}.yaml}}"
    for name, text in ACTIONS.items():
        found[f"actions/{name}.py"] = f"{BASE}{text}\n"
        found[f"actions/{name}.yaml"] = f"{{name: {name}, runner_type: python-script, entry_point: {name}.py}}"
    return found


@dataclass
class Load:
    """Asks for executions, emits triggers, steers what it asked for; remembers what was accepted."""

    seed: int
    accepted: list[str] = field(default_factory=list)
    emitted: list[str] = field(default_factory=list)
    api: Asking | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Go on until it is over; a server that is away is no fault."""
        dice = random.Random(self.seed)
        while not self.over.wait(0.01):
            if (api := self.api) is not None:
                try:
                    self._one(api, dice)
                except requests.RequestException:
                    self.over.wait(0.1)

    def _one(self, api: Asking, dice: random.Random) -> None:
        what = dice.choice([*WORKFLOWS, *ACTIONS, "nothing", "trigger", "steer", "steer", "answer"])
        if what == "trigger":
            tag = f"t{dice.random()}"
            body = {"trigger": "demo.evt", "payload": {"tag": tag}}
            if api.call("POST", "/webhooks/st2", body).status_code == 202:
                self.emitted.append(tag)
        elif what == "steer" and self.accepted:
            self._steer(api, dice.choice(self.accepted[-5:]), dice.choice(["pausing", "resuming", "canceling"]))
        elif what == "answer":
            answer(api, dice.randint(0, 2))
        elif what in WORKFLOWS or what in ACTIONS or what == "nothing":
            given = api.call("POST", "/executions", {"action": f"demo.{what}"})
            if given.status_code == 201:
                self.accepted.append(given.json()["id"])

    def _steer(self, api: Asking, id_: str, status: str) -> None:
        assert api.call("PUT", f"/executions/{id_}", {"status": status}).status_code in (200, 400)


def answer(api: Asking, most: int = 100) -> None:
    """Respond to some of the inquiries that wait."""
    for inquiry in api.get("/inquiries")[:most]:
        body = {"id": inquiry["id"], "response": {"continue": True}}
        assert api.call("PUT", f"/inquiries/{inquiry['id']}", body).status_code in (200, 400)


def everything(api: Asking, path: str) -> list[dict[str, Any]]:
    """Read all pages of a list."""
    found: list[dict[str, Any]] = []
    while page := api.get(f"{path}?limit=100&offset={len(found)}"):
        found += page
    return found


def settled(api: Asking) -> list[dict[str, Any]] | None:
    """Give all executions once each has ended; answers and resumes what waits for a person."""
    answer(api)
    for paused in api.get("/executions?status=paused&runner=orquesta"):
        api.call("PUT", f"/executions/{paused['id']}", {"status": "resuming"})
    waiting = [
        status for status in statuses.ACTIVE | statuses.WAITING if api.get(f"/executions?limit=1&status={status}")
    ]
    return None if waiting else everything(api, "/executions")


def check(executions: list[dict[str, Any]], load: Load) -> None:
    """Check that nothing is lost, that histories are legal, and that what succeeded did each task once."""
    by_id = {document["id"]: document for document in executions}
    assert [id_ for id_ in load.accepted if id_ not in by_id] == []
    for document in executions:
        name, log = document["action"]["name"], " ".join(entry["status"] for entry in document["log"])
        legal = WORKFLOW_LOG if document["action"]["runner_type"] == "orquesta" else ACTION_LOG
        assert legal.fullmatch(log) or (name in WORKFLOWS and ACTION_LOG.fullmatch(log)), (name, log)
        assert log.split()[-1] == document["status"]
        assert name != "poison" or document["status"] in {"failed", "canceled"}, document
        assert name in WORKFLOWS or "error" not in document["result"], document  # a fault of the engine would be one
        if document["status"] == "succeeded" and name in BELOW:
            below = [by_id[child] for child in document["children"]]
            assert len(below) == BELOW[name], (document["id"], [each["status"] for each in below])
            if all(each["status"] == "succeeded" for each in below):  # a kill may have met an action in the middle
                assert document["result"]["output"] == OUTPUT.get(name)


@pytest.mark.parametrize(
    "kills", [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])], ids=["quick", "long"]
)
def test_what_was_accepted_ends_legally_however_often_the_process_is_killed(tmp_path: Path, kills: int) -> None:
    """Every execution answered 201 and every trigger answered 202 has come to its end; the counts are printed."""
    packs = (write(tmp_path / "demo", files()),)
    (tmp_path / "configs").mkdir()
    dice = random.Random(kills)
    load = Load(seed=kills)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        for _ in range(kills):
            process = stackstorm_server.start(tmp_path, *packs)
            load.api = Asking(stackstorm_server.ready(process, tmp_path / "ready.json") + "/v1")
            load.accepted.append(load.api.ask("demo.poison"))
            load.over.wait(dice.uniform(0.3, 2.0))
            process.kill()
            process.communicate()
    finally:
        load.over.set()
        thread.join()
    with stackstorm_server.embedded(tmp_path, *packs) as url:
        api = Asking(f"{url}/v1")
        executions = until(lambda: settled(api), patience=120)
        check(executions, load)
        instances = everything(api, "/triggerinstances")
        enforced = Counter(each["trigger_instance_id"] for each in everything(api, "/ruleenforcements"))
    tags = {each["payload"]["tag"]: each for each in instances if each["trigger"] == "demo.evt"}
    assert [tag for tag in load.emitted if tags[tag]["status"] != "processed" or enforced[tags[tag]["id"]] != 1] == []
    outcomes = Counter(document["status"] for document in executions)
    print(json.dumps({"kills": kills, "accepted": len(load.accepted), "triggers": len(load.emitted), **outcomes}))  # noqa: T201 the counts are the test's result
