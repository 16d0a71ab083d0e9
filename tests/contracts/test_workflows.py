"""The contract of the port Workflows, held by the one in memory and by st2client against the embedded StackStorm."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from orchestrator.domain.errors import DependencyUnreachable, NotFound
from orchestrator.domain.rules import Rule
from orchestrator.stackstorm.client import StackStorm
from orchestrator.stackstorm.memory import MemoryRule, MemoryWorkflows
from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.ports import Workflows
    from orchestrator.domain.workflows import Execution, Firing

PATIENCE = 10.0
HAPPENED = "probe.happened"
KIND_A = {"trigger.kind": {"type": "in", "pattern": ["a", "b"]}}
FILES = {
    "pack.yaml": "{name: probe, description: For the contract, version: 0.1.0, author: tests}",
    "triggers/happened.yaml": """
name: happened
payload_schema: {type: object, properties: {kind: {type: string, required: true}}}
""",
    "actions/decide.yaml": """
name: decide
runner_type: orquesta
entry_point: workflows/decide.yaml
parameters: {kind: {type: string}}
""",
    "actions/workflows/decide.yaml": """
version: 1.0
input: [kind]
tasks:
  only: {next: [{do: noop}]}
output: [{decided: yes for <% ctx(kind) %>}]
""",
    "rules/loud.yaml": """
name: loud
enabled: true
trigger: {type: probe.happened}
criteria: {trigger.kind: {type: in, pattern: [a, b]}}
action: {ref: probe.decide, parameters: {kind: "{{ trigger.kind }}"}}
""",
    "rules/quiet.yaml": """
name: quiet
enabled: false
trigger: {type: probe.happened}
criteria: {trigger.kind: {type: in, pattern: [a, b]}}
action: {ref: probe.decide, parameters: {kind: "{{ trigger.kind }}"}}
""",
}


@dataclass
class Subject:
    """A port to test; `settled` waits until nothing more comes of a trace."""

    workflows: Workflows

    def settled(self, trace_tag: str, firings: int) -> list[Firing]:
        """Give the firings of a trace once there are as many, each with its executions, and all of these have ended."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.workflows.firings(trace_tag)
            states = [self.workflows.execution(id_).status for firing in found for id_ in firing.execution_ids]
            matched = all(0 < len(firing.rules) == len(firing.execution_ids) for firing in found)
            if len(found) == firings and matched and set(states) <= {"succeeded", "failed"}:
                return found
            time.sleep(0.02)
        raise AssertionError(f"expected {firings} settled firings, got {self.workflows.firings(trace_tag)}")

    def only_execution(self, firings: list[Firing]) -> Execution:
        """Look up the one execution of the one firing."""
        ((id_,),) = [firing.execution_ids for firing in firings]
        return self.workflows.execution(id_)


def memory() -> MemoryWorkflows:
    """The in-memory port with the rules of the probe pack."""
    answer: dict[str, Any] = {"decided": "yes for a"}
    return MemoryWorkflows(
        [
            MemoryRule("probe.loud", HAPPENED, "probe.decide", KIND_A, output=answer),
            MemoryRule("probe.quiet", HAPPENED, "probe.decide", KIND_A, enabled=False),
        ]
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded StackStorm with the probe pack."""
    folder = tmp_path_factory.mktemp("stackstorm")
    pack = write(folder / "packs" / "probe")
    with embedded(folder, pack) as url:
        yield url


def write(pack: Path) -> Path:
    """Write the probe pack."""
    for name, text in FILES.items():
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        (pack / name).write_text(text)
    return pack


@pytest.fixture(params=["memory", "embedded"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each implementation in turn."""
    if request.param == "memory":
        return Subject(memory())
    return Subject(StackStorm(request.getfixturevalue("server"), None, 5.0))


def test_a_dispatched_trigger_fires_the_rule_that_matches(subject: Subject) -> None:
    """A trace tells the trigger, the rule that matched, and the execution it started."""
    subject.workflows.dispatch(HAPPENED, {"kind": "a"}, "trace-fires")
    (firing,) = subject.settled("trace-fires", 1)
    assert (firing.trigger, firing.rules, len(firing.execution_ids)) == (HAPPENED, ("probe.loud",), 1)


def test_an_execution_tells_its_rule_and_output(subject: Subject) -> None:
    """An execution that a rule started gives action, status, rule and the workflow's output."""
    subject.workflows.dispatch(HAPPENED, {"kind": "a"}, "trace-output")
    execution = subject.only_execution(subject.settled("trace-output", 1))
    assert (execution.action, execution.status, execution.rule) == ("probe.decide", "succeeded", "probe.loud")
    assert execution.output == {"decided": "yes for a"}


def test_what_no_rule_matches_fires_without_executions(subject: Subject) -> None:
    """A trigger that no rule matches still shows in its trace, with nothing after it."""
    subject.workflows.dispatch(HAPPENED, {"kind": "z"}, "trace-none")
    (firing,) = subject.workflows.firings("trace-none")
    assert (firing.trigger, firing.rules, firing.execution_ids) == (HAPPENED, (), ())


def test_two_triggers_of_one_trace_are_two_firings(subject: Subject) -> None:
    """Each firing lists its own rules and executions only."""
    subject.workflows.dispatch(HAPPENED, {"kind": "a"}, "trace-two")
    subject.workflows.dispatch(HAPPENED, {"kind": "b"}, "trace-two")
    first, second = subject.settled("trace-two", 2)
    assert len(first.execution_ids) == len(second.execution_ids) == 1
    assert set(first.execution_ids).isdisjoint(second.execution_ids)


def test_an_unknown_trace_has_no_firings(subject: Subject) -> None:
    """A tag that was never used gives an empty list, not an error."""
    assert subject.workflows.firings("trace-unknown") == []


def test_rules_are_listed_with_all_that_tells_what_they_would_do(subject: Subject) -> None:
    """Each rule is listed, enabled or not, with its trigger, its action and its criteria."""
    rules = {each.ref: each for each in subject.workflows.rules() if each.ref.startswith("probe.")}
    assert {ref: each.enabled for ref, each in rules.items()} == {"probe.loud": True, "probe.quiet": False}
    assert {(each.trigger, each.action) for each in rules.values()} == {(HAPPENED, "probe.decide")}
    assert rules["probe.quiet"].criteria == KIND_A


def test_the_rules_that_would_match_are_told_without_asking(subject: Subject) -> None:
    """Rules match by trigger and criteria, enabled or not; what cannot be read here is possible, and not sure."""
    rules = [each for each in subject.workflows.rules() if each.ref.startswith("probe.")]
    unread = {"trigger.kind": {"type": "equals", "pattern": "{{ st2kv.system.kind }}"}}
    rules.append(Rule("probe.unread", HAPPENED, "probe.decide", enabled=True, criteria=unread))
    found = subject.workflows.matching(rules, HAPPENED, {"kind": "b"})
    assert sorted(each.ref for each in found.sure) == ["probe.loud", "probe.quiet"]
    assert sorted(each.ref for each in found.possible) == ["probe.loud", "probe.quiet", "probe.unread"]
    assert subject.workflows.matching(rules[:2], HAPPENED, {"kind": "z"}).possible == ()
    assert subject.workflows.matching(rules, "probe.other", {"kind": "a"}).possible == ()


def test_an_unknown_execution_is_not_found(subject: Subject) -> None:
    """NotFound, with the id that was asked for."""
    with pytest.raises(NotFound) as caught:
        subject.workflows.execution("6b0000000000000000000000")
    assert caught.value.key == "6b0000000000000000000000"


@pytest.fixture(params=["memory", "embedded"])
def unreachable(request: pytest.FixtureRequest) -> Workflows:
    """Each implementation with nobody at the other end."""
    if request.param == "memory":
        workflows = memory()
        workflows.down = True
        return workflows
    return StackStorm("http://127.0.0.1:9", None, 1.0)


def test_every_call_says_that_stackstorm_is_unreachable(unreachable: Workflows) -> None:
    """No call lets a foreign error through."""
    for call in (
        lambda: unreachable.dispatch(HAPPENED, {"kind": "a"}, "t"),
        lambda: unreachable.firings("t"),
        unreachable.rules,
        lambda: unreachable.execution("6b0000000000000000000000"),
    ):
        with pytest.raises(DependencyUnreachable, match="StackStorm"):
            call()


def test_an_inquiry_is_answered_once(request: pytest.FixtureRequest, subject: Subject) -> None:
    """The first answer counts and the workflow goes on with it; any other, and one to nothing, changes nothing."""
    inquiry = waiting_inquiry(request, subject)
    assert subject.workflows.answer(inquiry, {"approve": True, "reason": "so"})
    assert not subject.workflows.answer(inquiry, {"approve": False})
    assert not subject.workflows.answer("000000000000000000000000", {"approve": True})
    if isinstance(subject.workflows, MemoryWorkflows):
        assert subject.workflows.inquiries[inquiry] == {"approve": True, "reason": "so"}
    else:
        assert subject.workflows.execution(inquiry).succeeded


def waiting_inquiry(request: pytest.FixtureRequest, subject: Subject) -> str:
    """Give the id of an inquiry that waits."""
    if isinstance(subject.workflows, MemoryWorkflows):
        subject.workflows.inquiries["asked"] = None
        return "asked"
    url = request.getfixturevalue("server")
    schema = {"type": "object", "properties": {"approve": {"type": "boolean", "required": True}}}
    asked = requests.post(
        f"{url}/v1/executions", json={"action": "core.ask", "parameters": {"schema": schema}}, timeout=5
    )
    deadline = time.monotonic() + PATIENCE
    while subject.workflows.execution(asked.json()["id"]).status != "pending":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return str(asked.json()["id"])
