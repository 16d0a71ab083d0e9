"""The embedded StackStorm as a process: it keeps what it accepted, stops with its parent, leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from orchestrator.stackstorm.embedded.marks import new_id, timestamp
from orchestrator.stackstorm.embedded.store import Store
from tests import stackstorm_server
from tests.unit.stackstorm.test_python_script import alive, children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 20.0
FILES = {
    "pack.yaml": "{name: demo, description: d, version: 0.1.0, author: a}",
    "triggers/evt.yaml": """\
name: evt
payload_schema: {type: object, properties: {seconds: {type: number, required: true}}}
""",
    "actions/slow.yaml": """\
name: slow
runner_type: python-script
entry_point: slow.py
parameters:
  seconds: {type: number, default: 0}
  token: {type: string, secret: true}
""",
    "actions/slow.py": """\
import time
from st2common.runners.base_action import Action


class Slow(Action):
    def run(self, seconds, token=None):
        time.sleep(seconds)
        return seconds
""",
    "actions/wf.yaml": """\
name: wf
runner_type: orquesta
entry_point: workflows/wf.yaml
parameters: {seconds: {type: number}}
""",
    "actions/workflows/wf.yaml": """\
version: 1.0
input: [seconds]
tasks:
  one:
    action: demo.slow seconds=<% ctx(seconds) %>
    next: [{when: <% succeeded() %>, publish: [{s: <% result().result %>}], do: two}]
  two: {action: demo.nothing}
output: [{s: <% ctx(s) %>}]
""",
    "actions/nothing.yaml": """\
name: nothing
runner_type: noop
""",
    "actions/lost.yaml": """\
name: lost
runner_type: orquesta
entry_point: workflows/lost.yaml
""",
    "actions/workflows/lost.yaml": """\
version: 1.0
tasks:
  a: {action: '<% ctx().st2.pack %>.gone'}
""",
    "actions/odd.yaml": """\
name: odd
runner_type: orquesta
entry_point: workflows/odd.yaml
""",
    "actions/workflows/odd.yaml": """\
version: 1.0
tasks:
  a: {action: demo.nothing, retry: {count: 1, when: <% ctx(gone) %>}}
""",
    "rules/on_evt.yaml": """\
name: on_evt
enabled: true
trigger: {type: demo.evt}
action: {ref: demo.wf, parameters: {seconds: '{{ trigger.seconds }}'}}
""",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the demo pack; configs and state go there too."""
    for name, text in FILES.items():
        (tmp_path / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "demo" / name).write_text(text)
    (tmp_path / "configs").mkdir()
    return tmp_path


@pytest.fixture
def url(home: Path) -> Iterator[str]:
    """The API's URL of an embedded StackStorm with the demo pack."""
    with stackstorm_server.embedded(home, home / "demo") as found:
        yield f"{found}/v1"


def until(condition: Callable[[], Any]) -> Any:  # noqa: ANN401 whatever the condition gives
    """Wait for a condition to give something true, and give it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("expected the condition to hold in time, it did not")


def ask(url: str, action: str, **parameters: Any) -> dict[str, Any]:
    """Ask for an execution."""
    answer = requests.post(f"{url}/executions", json={"action": action, "parameters": parameters}, timeout=5)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def show(url: str, id_: str) -> dict[str, Any]:
    """Show an execution."""
    document: dict[str, Any] = requests.get(f"{url}/executions/{id_}", timeout=5).json()
    return document


def ended(url: str, id_: str) -> dict[str, Any]:
    """Show an execution once it has ended."""
    final = ("succeeded", "failed", "timeout", "abandoned", "canceled")
    document: dict[str, Any] = until(lambda: (d := show(url, id_)) and d["status"] in final and d)
    return document


def test_a_workflow_runs_its_actions_and_gives_its_output(url: str) -> None:
    """Children, their parent and the output are as a StackStorm shows them."""
    execution = ended(url, ask(url, "demo.wf", seconds=0)["id"])
    assert (execution["status"], execution["result"]) == ("succeeded", {"output": {"s": 0.0}})
    below = requests.get(f"{url}/executions/{execution['id']}/children", timeout=5).json()
    assert [child["action"]["ref"] for child in below] == ["demo.slow", "demo.nothing"]
    assert [child["id"] for child in below] == execution["children"]
    assert {child["parent"] for child in below} == {execution["id"]}
    assert [entry["status"] for entry in execution["log"]] == ["requested", "scheduled", "running", "succeeded"]


def test_a_task_whose_action_is_not_there_fails_the_workflow(url: str) -> None:
    """An action named by an expression is looked up when it runs; the error says what was not found."""
    execution = ended(url, ask(url, "demo.lost")["id"])
    assert execution["status"] == "failed"
    assert execution["result"]["errors"][0]["message"] == 'ActionNotFound: Unable to find action "demo.gone".'


def test_an_expression_that_fails_where_nobody_looks_fails_the_workflow(url: str) -> None:
    """A retry's condition that cannot be evaluated ends the workflow; nothing stays running for ever."""
    assert ended(url, ask(url, "demo.odd")["id"])["status"] == "failed"


def test_secret_parameters_show_in_no_answer(url: str) -> None:
    """Neither the execution nor the list shows a secret."""
    ended(url, ask(url, "demo.slow", token="very-secret")["id"])
    text = requests.get(f"{url}/executions", timeout=5).text
    assert "very-secret" not in text
    assert "********" in text


def test_slow_actions_do_not_hold_up_triggers_and_other_actions(url: str) -> None:
    """With an action asleep in a slot, a trigger is accepted and its workflow ends."""
    asleep = ask(url, "demo.slow", seconds=30)
    quick = ended(url, ask(url, "demo.wf", seconds=0)["id"])
    assert quick["status"] == "succeeded"
    assert show(url, asleep["id"])["status"] == "running"


def test_a_restart_keeps_executions_and_ends_what_was_running(home: Path) -> None:
    """After SIGKILL what had ended is there; the action that ran is abandoned, and so its workflow fails."""
    process = stackstorm_server.start(home, home / "demo")
    url = stackstorm_server.ready(process, home / "ready.json") + "/v1"
    done = ended(url, ask(url, "demo.wf", seconds=0)["id"])
    running = ask(url, "demo.wf", seconds=60)["id"]
    until(lambda: show(url, running).get("children"))
    warm = until(lambda: children(process.pid))
    process.kill()
    process.communicate()
    until(lambda: not any(alive(pid) for pid in warm))
    with stackstorm_server.embedded(home, home / "demo") as again:
        url = f"{again}/v1"
        assert show(url, done["id"]) == done | {"liveaction": show(url, done["id"])["liveaction"]} | {
            "web_url": show(url, done["id"])["web_url"]
        }
        left = show(url, running)
        assert (left["status"], show(url, left["children"][0])["status"]) == ("failed", "abandoned")
        assert ended(url, ask(url, "demo.wf", seconds=0)["id"])["status"] == "succeeded"


def test_a_trigger_that_was_accepted_and_not_matched_is_matched_after_a_restart(home: Path) -> None:
    """What a killed process had answered 202 fires its rule once the next one runs, and only once."""
    (home / "state").mkdir()
    store = Store(home / "state" / "stackstorm.sqlite")
    instance = {"id": new_id(), "trigger": "demo.evt", "status": "pending", "payload": {"seconds": 0}}
    store.events.put_instance(instance | {"occurrence_time": timestamp()}, "demo.evt")
    store.close()
    for _ in range(2):
        with stackstorm_server.embedded(home, home / "demo") as url:
            (found,) = until(lambda: requests.get(f"{url}/v1/ruleenforcements", timeout=5).json())
            assert ended(f"{url}/v1", found["execution_id"])["status"] == "succeeded"


def test_a_disabled_rule_stays_disabled_after_a_restart_until_the_pack_is_registered(home: Path) -> None:
    """PUT /rules changes a rule for good; registering the pack makes its file count again."""
    with stackstorm_server.embedded(home, home / "demo") as first:
        rule = requests.get(f"{first}/v1/rules/demo.on_evt", timeout=5).json()
        answer = requests.put(f"{first}/v1/rules/{rule['id']}", json={**rule, "enabled": False}, timeout=5)
        assert (answer.status_code, answer.json()["enabled"]) == (200, False)
    with stackstorm_server.embedded(home, home / "demo") as second:
        rules = f"{second}/v1/rules/demo.on_evt"
        assert requests.get(rules, timeout=5).json()["enabled"] is False
        requests.post(f"{second}/v1/webhooks/st2", json={"trigger": "demo.evt", "payload": {"seconds": 0}}, timeout=5)
        instances = f"{second}/v1/triggerinstances"
        until(lambda: requests.get(instances, timeout=5).json()[0]["status"] == "processed")
        assert requests.get(f"{second}/v1/ruleenforcements", timeout=5).json() == []
        requests.post(f"{second}/v1/packs/register", json={}, timeout=5)
        assert requests.get(rules, timeout=5).json()["enabled"] is True


def test_a_rule_whose_parameters_do_not_fit_is_a_failed_enforcement(home: Path) -> None:
    """The trigger is processed, and the enforcement says why no action started."""
    rule = home / "demo" / "rules" / "on_evt.yaml"
    rule.write_text(rule.read_text().replace("trigger.seconds", "trigger.nope"))
    with stackstorm_server.embedded(home, home / "demo") as url:
        requests.post(f"{url}/v1/webhooks/st2", json={"trigger": "demo.evt", "payload": {"seconds": 0}}, timeout=5)
        (found,) = until(lambda: requests.get(f"{url}/v1/ruleenforcements?rule_ref=demo.on_evt", timeout=5).json())
    assert found["status"] == "failed"
    assert "'dict object' has no attribute 'nope'" in found["failure_reason"]
    assert "execution_id" not in found


def test_a_bad_pack_ends_with_exit_code_3(home: Path) -> None:
    """The file and the key stand on stderr, and nothing is served."""
    (home / "demo" / "rules" / "on_evt.yaml").write_text("name: on_evt\n")
    process = stackstorm_server.start(home, home / "demo")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert "rules/on_evt.yaml" in errors
    assert "expected the key 'trigger'" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_what_it_started(home: Path, number: signal.Signals) -> None:
    """Exit code 0; nothing that it began is left, neither warm processes nor an action that was running."""
    process = stackstorm_server.start(home, home / "demo")
    url = stackstorm_server.ready(process, home / "ready.json") + "/v1"
    running = ask(url, "demo.slow", seconds=60)["id"]
    until(lambda: show(url, running)["status"] == "running")
    # A warm process has one child that waits for the next action; here it has the action too.
    until(lambda: any(len(children(each)) > 1 for each in children(process.pid)))
    own = children(process.pid)
    forked = [child for each in own for child in children(each)]
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not any(alive(each) for each in own)
    until(lambda: not any(alive(each) for each in forked))


def test_packs_whose_imports_hang_do_not_hold_up_the_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal ends it with 0 though several processes hear nothing, and none of them is left."""
    (home / "elsewhere").mkdir()
    (home / "elsewhere" / "endless.py").write_text("import time\ntime.sleep(100000)\n")
    monkeypatch.setenv("PYTHONPATH", str(home / "elsewhere"))
    (home / "demo" / "actions" / "slow.py").write_text("import endless\n")
    shutil.copytree(home / "demo", home / "other")
    (home / "other" / "pack.yaml").write_text(FILES["pack.yaml"].replace("demo", "other"))
    process = stackstorm_server.start(home, home / "demo", home / "other")
    stackstorm_server.ready(process, home / "ready.json")
    own = children(process.pid)
    assert len(own) >= 2
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not any(alive(each) for each in own)


def test_it_stops_when_its_parent_dies(home: Path) -> None:
    """A parent that is killed takes it along, even while nobody has waited for that parent."""
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'orchestrator.stackstorm.embedded', *sys.argv[1:],"
        " '--parent-pid', str(os.getpid())], stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    places = ["--packs", str(home / "demo"), "--configs", str(home / "configs"), "--state", str(home / "state")]
    arguments = [sys.executable, "-c", script, *places, "--ready-file", str(home / "ready.json")]
    parent = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    until((home / "ready.json").exists)
    os.kill(parent.pid, signal.SIGKILL)
    until(lambda: not alive(child))
    parent.communicate()


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to look for processes in")
