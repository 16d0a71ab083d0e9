"""The pytest plugin, used by a pack's own tests in a process of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.packs.plugin import ROOT, installed, pytest_in

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "pack.yaml": "{name: sample, description: d, version: 0.1.0, author: a}",
    "config.schema.yaml": "greeting: {type: string, default: Hello}\n",
    "actions/greet.yaml": """\
name: greet
runner_type: python-script
entry_point: greet.py
parameters: {name: {type: string, required: true}, seconds: {type: number, default: 0}}
""",
    "actions/greet.py": """\
import time

from st2common.runners.base_action import Action


class Greet(Action):
    def run(self, name, seconds):
        time.sleep(seconds)
        if name == "nobody":
            raise LookupError("nobody is there")
        return f"{self.config['greeting']}, {name}"
""",
    "actions/greet_twice.yaml": """\
name: greet_twice
runner_type: orquesta
entry_point: workflows/greet_twice.yaml
parameters: {first: {type: string}, second: {type: string}}
""",
    "actions/workflows/greet_twice.yaml": """\
version: 1.0
input: [first, second]
tasks:
  one:
    action: sample.greet name=<% ctx(first) %>
    next: [{when: <% succeeded() %>, publish: [{said: <% result().result %>}], do: two}]
  two: {action: sample.greet name=<% ctx(second) %>}
output: [{said: <% ctx(said) %>}]
""",
    "actions/approve.yaml": "{name: approve, runner_type: orquesta, entry_point: workflows/approve.yaml}",
    "actions/workflows/approve.yaml": "{version: 1.0, tasks: {ask: {action: core.ask}}}",
    "triggers/left.yaml": "{name: left}",
    "rules/on_left.yaml": "{name: on_left, enabled: true, trigger: {type: sample.left}, action: {ref: sample.approve}}",
    "triggers/came.yaml": "{name: came, payload_schema: {type: object, properties: {name: {type: string}}}}",
    "rules/on_came.yaml": """\
name: on_came
enabled: true
trigger: {type: sample.came}
action: {ref: sample.greet, parameters: {name: '{{ trigger.name }}'}}
""",
}
PASSING = """\
import pytest

from orchestrator.stackstorm.testing import Execution, StackStorm, StillRunning
from orchestrator.stackstorm.testing.calls import Refused


def test_run(stackstorm: StackStorm):
    done = stackstorm.run("sample.greet", name="Ada")
    assert (done.status, done.output, done.result["exit_code"]) == ("succeeded", "Hello, Ada", 0)
    assert done.parameters == {"name": "Ada"}
    assert [each.id for each in stackstorm.executions()] == [done.id]


def test_workflow(stackstorm):
    done = stackstorm.run("sample.greet_twice", first="Ada", second="nobody")
    assert (done.failed, done.output) == (True, {"said": "Hello, Ada"})
    assert [(child.task, child.status) for child in done.children] == [("one", "succeeded"), ("two", "failed")]
    assert done.errors[0]["task_id"] == "two"
    with pytest.raises(AssertionError, match="expected the task three to have run, got these: one, two"):
        done.child("three")


def test_send(stackstorm):
    fired = stackstorm.send("sample.came", {"name": "Ada"})
    assert (fired.rules, fired.execution.output, fired.failures) == (("sample.on_came",), "Hello, Ada", {})
    assert "has no attribute 'name'" in stackstorm.send("sample.came", {}).failures["sample.on_came"]


def test_what_a_test_changes(stackstorm):
    stackstorm.config("sample", {"greeting": "Welcome"})
    stackstorm.disable("sample.on_came")
    stackstorm.keys["one"] = "1"
    stackstorm.keys.set("two", "2", secret=True)
    stub = stackstorm.stub("sample.greet", {"result": "stubbed"})
    stackstorm.start("sample.greet_twice", first="Ada", second="Ada")
    assert stackstorm.run("sample.greet", name="Ada").output == "stubbed"
    assert stub.calls[-1] == {"name": "Ada"}
    assert dict(stackstorm.keys) == {"one": "1", "two": "2"}
    assert stackstorm.send("sample.came", {"name": "Ada"}).executions == ()


def test_is_gone_for_the_next(stackstorm):
    assert stackstorm.executions() == []
    assert len(stackstorm.keys) == 0
    assert stackstorm.send("sample.came", {"name": "Ada"}).execution.output == "Hello, Ada"


def test_a_refusal_is_in_stackstorms_words(stackstorm):
    with pytest.raises(Refused, match='Action "sample.gone" cannot be found'):
        stackstorm.run("sample.gone")
    with pytest.raises(KeyError):
        stackstorm.keys["gone"]


def test_what_does_not_come_in_time(stackstorm):
    stackstorm.patience = 0.2
    with pytest.raises(StillRunning, match="(?s)expected within 0.2 s an end of.*sample.greet running"):
        stackstorm.run("sample.greet", name="Ada", seconds=60)
    stackstorm.patience = 20
    assert stackstorm.cancel(stackstorm.executions()[-1]).status == "canceled"


def test_inquiry(stackstorm):
    schema = {"type": "object", "properties": {"go": {"type": "boolean"}}}
    asked = stackstorm.wait(stackstorm.start("core.ask", schema=schema), status="pending")
    stackstorm.answer(asked, go=True)
    assert stackstorm.wait(asked).result["response"] == {"go": True}


def test_a_rule_that_starts_what_waits_for_an_answer(stackstorm):
    execution = stackstorm.send("sample.left").execution
    assert (execution.status, execution.child("ask").status) == ("paused", "pending")
    stackstorm.answer(execution.child("ask"), **{"continue": True})
    assert stackstorm.wait(execution).succeeded


def test_more_than_one_page_of_calls(stackstorm):
    stub = stackstorm.stub("sample.greet", {"result": "stubbed"})
    started = [stackstorm.start("sample.greet", name=str(number)) for number in range(101)]
    assert [each["name"] for each in stub.calls] == [str(number) for number in range(101)]
    assert [each.id for each in stackstorm.executions()] == [each.id for each in started]


def test_what_waits_at_the_end_fails_nothing(stackstorm):
    stackstorm.wait(stackstorm.start("core.ask"), status="pending")
    stackstorm.wait(stackstorm.start("sample.approve"), status="paused")
    stackstorm.stub("sample.greet", {"result": "stubbed"})


def test_and_what_else_that_test_left_is_gone(stackstorm):
    assert stackstorm.run("sample.greet", name="Ada").output == "Hello, Ada"
    assert stackstorm._calls.get("/executions", status="paused") == []


def test_what_runs_at_the_end_is_cancelled(stackstorm):
    stackstorm.start("sample.greet", name="Ada", seconds=60)
"""
FAILING = """\
def test_fails(stackstorm):
    assert stackstorm.run("sample.greet_twice", first="Ada", second="nobody").succeeded
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack whose own tests use the plugin."""
    for name, text in FILES.items():
        (tmp_path / "sample" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sample" / name).write_text(text)
    (tmp_path / "sample" / "tests").mkdir()
    return tmp_path / "sample"


def test_a_pack_s_tests_run_actions_workflows_and_triggers(pack: Path, tmp_path: Path) -> None:
    """Everything that a test may do works, and nothing of one test is left for the next."""
    (pack / "tests" / "test_passing.py").write_text(PASSING)
    done = pytest_in(pack, tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{PASSING.count('def test_')} passed" in done.stdout


def test_a_failed_test_shows_what_its_executions_said(pack: Path, tmp_path: Path) -> None:
    """The task, its error and the traceback of the action's code stand below the assertion; what succeeded does not."""
    (pack / "tests" / "test_failing.py").write_text(FAILING)
    done = pytest_in(pack, tmp_path / "site")
    assert done.returncode == 1, done.stdout + done.stderr
    shown = done.stdout.partition("- StackStorm -")[2]
    assert re.search(r"sample.greet_twice failed.*task two: sample.greet failed.*LookupError: nobody", shown, re.DOTALL)
    assert "task one" not in shown
    assert "where False = <sample.greet_twice failed>.succeeded" in done.stdout


def test_a_pack_that_cannot_be_loaded_fails_the_test_with_its_file_and_key(pack: Path, tmp_path: Path) -> None:
    """The error is the pack's, not a traceback of the plugin's."""
    (pack / "tests" / "test_failing.py").write_text(FAILING)
    (pack / "actions" / "greet.yaml").write_text("{name: greet, runner_type: gone}")
    done = pytest_in(pack, tmp_path / "site")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"actions/greet\.yaml.*runner_type", done.stdout)
    assert "Traceback" not in done.stdout


def test_a_session_without_it_pays_nothing(tmp_path: Path) -> None:
    """Loading the plugin imports neither the server nor anything third-party but pytest."""
    code = "import sys, orchestrator.stackstorm.testing.plugin; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=installed(tmp_path), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert {"jinja2", "yaql", "yaml", "requests", "jsonschema", "orchestrator.stackstorm.embedded"} & loaded == set()
