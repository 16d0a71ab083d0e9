"""The conductor: what runs when, what it sees, how the workflow ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.stackstorm.embedded.content.source import Source
from orchestrator.stackstorm.embedded.orquesta.conductor import Conductor
from orchestrator.stackstorm.embedded.orquesta.reading import workflow
from orchestrator.stackstorm.embedded.orquesta.refusals import (
    InvalidTaskRerunRequest,
    InvalidWorkflowStatusTransition,
    WorkflowIsActiveAndNotRerunableError,
)
from tests.unit.stackstorm.conducting import conduct

# Workflows made by a generator of ours, with what the real conductor (StackStorm/orquesta 1.6) did with them.
RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("conductor_cases.json").read_text())
FAILED = "Execution failed. See result for details."


@pytest.mark.parametrize("case", RECORDED, ids=[str(number) for number in range(len(RECORDED))])
def test_it_does_what_the_real_conductor_did(case: dict[str, Any]) -> None:
    """Status, output, errors, and every task in order with its route, input and delay are those of the real one."""
    done = conduct(case["workflow"], case["plan"], {"x": 7}, {"st2": {"u": "me"}})
    assert (done.status, done.output, done.errors) == (case["status"], case["output"], case["errors"])
    assert [[r.task, r.route, r.actions[0].input, r.delay] for r in done.order] == case["order"]


def test_a_task_is_tried_again_as_often_and_as_late_as_its_retry_says() -> None:
    """A retry runs the task count more times, delay seconds apart; the last result counts."""
    done = conduct(
        """
        tasks:
          call:
            action: p.a
            retry: {when: '<% failed() and result().get(exit_code, 1) != 0 %>', count: 3, delay: 2}
            next: [{when: <% succeeded() %>, publish: [{n: <% result().result.n %>}]}]
        output: [{n: <% ctx(n) %>}]
        """,
        {"call": [False, False, True]},
    )
    assert (done.status, done.output) == ("succeeded", {"n": 2})
    assert [request.delay for request in done.order] == [0, 2, 2]


def test_the_output_is_rendered_on_failure_too() -> None:
    """`do: fail` fails the workflow, after publishing; the error list names the command."""
    done = conduct(
        """
        vars: [{count: 0}]
        tasks:
          look:
            action: p.a
            next: [{publish: [{count: 5}], do: fail}]
        output: [{count: <% ctx(count) %>}]
        """
    )
    assert (done.status, done.output) == ("failed", {"count": 5})
    assert done.errors == [{"type": "error", "message": FAILED, "task_id": "fail"}]


def test_a_failure_that_a_transition_leads_on_from_is_remedied() -> None:
    """A failed task with a transition on failed() does not fail the workflow."""
    done = conduct(
        "tasks: {a: {action: p.a, next: [{when: <% failed() %>, do: mend}]}, mend: {action: p.b}}", {"a": [False]}
    )
    assert (done.status, done.tasks) == ("succeeded", ["a", "mend"])


def test_cleanup_runs_although_the_workflow_failed() -> None:
    """`do: [cleanup, fail]` runs the cleanup and ends failed."""
    done = conduct("tasks: {a: {action: p.a, next: [{do: [clean, fail]}]}, clean: {action: p.b}}")
    assert (done.status, done.tasks) == ("failed", ["a", "clean"])


def test_a_join_waits_for_all_and_sees_what_each_published() -> None:
    """join: all runs once, after both branches, with both branches' variables."""
    done = conduct(
        """
        tasks:
          a: {action: p.a, next: [{publish: [{x: 1}], do: c}]}
          b: {action: p.b, next: [{publish: [{y: 2}], do: c}]}
          c: {join: all, action: p.c, input: {sum: <% ctx(x) + ctx(y) %>}}
        """
    )
    assert (done.status, done.tasks, done.order[-1].actions[0].input) == ("succeeded", ["a", "b", "c"], {"sum": 3})


def test_a_join_that_can_no_longer_be_reached_fails_the_workflow() -> None:
    """One branch led to the join and the other never will: the workflow fails and says so."""
    done = conduct(
        """
        tasks:
          a: {action: p.a, next: [{do: c}]}
          b: {action: p.b, next: [{when: <% failed() %>, do: c}]}
          c: {join: all, action: p.c}
        """
    )
    assert done.status == "failed"
    assert done.errors[0]["message"].startswith("UnreachableJoinError")


def test_inputs_vars_and_both_languages() -> None:
    """Defaults of inputs, vars that see inputs, YAQL and Jinja side by side, values of any type."""
    done = conduct(
        """
        input: [who, {greeting: hello}]
        vars: [{line: "<% ctx(greeting) %>, {0}"}, {list: [1, 2]}]
        tasks:
          say: {action: p.say text="<% ctx(greeting) %> <% ctx(who) %>" n=3}
        output: [{jinja: "{{ ctx().who }}"}, {list: "{{ ctx('list') }}"}, {id: <% ctx().st2.action_execution_id %>}]
        """,
        inputs={"who": "world"},
        context={"st2": {"action_execution_id": "abc"}},
    )
    assert done.order[0].actions[0].input == {"text": "hello world", "n": 3}
    assert done.output == {"jinja": "world", "list": [1, 2], "id": "abc"}


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        (
            "<% ctx(nope) %>",
            "YaqlEvaluationException: Unable to evaluate expression '<% ctx(nope) %>'. VariableUndefined",
        ),
        ("<% ctx().nope %>", "YaqlEvaluationException: Unable to resolve key 'nope' in expression '<% ctx().nope %>'"),
        (
            "{{ ctx().nope.deeper }}",
            "JinjaEvaluationException: Unable to evaluate expression '{{ ctx().nope.deeper }}'",
        ),
        ("{{ ctx().nope }}", "JinjaEvaluationException: There are unresolved variables: ctx().nope"),
        ("<% ctx('__secret') %>", "VariableInaccessibleError"),
        ("<% result() %>", "ExpressionEvaluationException: The current task is not set"),
    ],
)
def test_an_expression_that_fails_in_the_output_fails_the_workflow(expression: str, error: str) -> None:
    """The error names the expression, in the real conductor's words."""
    done = conduct({"tasks": {"a": {"action": "p.a"}}, "output": [{"x": expression}]}, context={"__secret": 1})
    assert done.status == "failed"
    assert error in done.errors[0]["message"]


def test_an_input_that_cannot_be_rendered_fails_before_its_action_runs() -> None:
    """No action is requested, and the error names the task."""
    done = conduct({"tasks": {"a": {"action": "p.a", "input": {"x": "<% ctx(nope) %>"}}}})
    assert (done.status, done.tasks, done.errors[0]["task_id"]) == ("failed", [], "a")


def test_the_workflow_expressions_of_jinja_blocks_and_raw_blocks() -> None:
    """Blocks are rendered as a whole; raw blocks are given back as they stand."""
    done = conduct(
        {
            "vars": [{"names": ["a", "b"]}],
            "tasks": {"a": {"action": "p.a"}},
            "output": [
                {"joined": "{% for n in ctx().names %}{{ n }};{% endfor %}"},
                {"raw": "{% raw %}{{ stays }}{% endraw %}"},
            ],
        }
    )
    assert done.output == {"joined": "a;b;", "raw": "{{ stays }}"}


def test_items_run_as_the_concurrency_allows_and_their_results_are_in_item_order() -> None:
    """Two of three items run at once; result() is a list in the order of the items."""
    done = conduct(
        """
        vars: [{xs: [1, 2, 3]}, {ys: [a, b, c]}]
        tasks:
          each:
            with: {items: "x, y in <% zip(ctx(xs), ctx(ys)) %>", concurrency: <% 1 + 1 %>}
            action: p.a x=<% item(x) %> y=<% item().y %>
            delay: 5
            next: [{publish: [{all: "<% result().select($.result.n) %>"}]}]
        output: [{all: <% ctx(all) %>}]
        """
    )
    assert (done.status, done.output) == ("succeeded", {"all": [0, 1, 2]})
    asked = [
        (request.items, [(a.item, a.input, request.delay_of(a)) for a in request.actions]) for request in done.order
    ]
    first = (3, [(0, {"x": 1, "y": "a"}, 5), (1, {"x": 2, "y": "b"}, 5)])
    assert asked == [first, (3, [(2, {"x": 3, "y": "c"}, 0)])]


def test_no_items_at_all_succeed_at_once_with_an_empty_list() -> None:
    """A task over an empty list runs no action, and its result is []."""
    done = conduct(
        """
        tasks: {each: {with: '<% [] %>', action: p.a, next: [{publish: [{r: <% result() %>}]}]}}
        output: [{r: <% ctx(r) %>}]
        """
    )
    assert (done.status, done.output, done.order[0].items) == ("succeeded", {"r": []}, 0)


def test_what_a_workflow_may_not_be_asked_is_refused_and_changes_nothing() -> None:
    """Resuming what runs, running again what has not ended or has no such task: typed errors, the same state after."""
    spec = workflow(Source(Path("w.yaml"), {"tasks": {"a": {"action": "p.a", "with": "<% [1] %>"}}}))
    conductor = Conductor(spec, {}, {})
    conductor.start()
    conductor.next_tasks()
    conductor.action_started("a", 0, 0)
    before = conductor.dump()
    with pytest.raises(InvalidWorkflowStatusTransition, match='"workflow_resuming" for workflow in "running"'):
        conductor.request("resuming")
    with pytest.raises(WorkflowIsActiveAndNotRerunableError):
        conductor.rerun()
    assert conductor.dump() == before
    conductor.action_ended("a", 0, "succeeded", {}, 0)
    before = conductor.dump()
    with pytest.raises(InvalidTaskRerunRequest, match="not found: nope"):
        conductor.rerun(["nope"])
    with pytest.raises(InvalidTaskRerunRequest, match=r"isn't rerunnable: a\|0"):
        conductor.rerun(["a"])
    assert conductor.dump() == before


def test_an_inline_action_may_hold_both_languages() -> None:
    """Each parameter of the short form is an expression of its own."""
    done = conduct('tasks: {a: {action: "p.a x=<% 1 + 1 %> y={{ 1 + 2 }}"}}')
    assert done.order[0].actions[0].input == {"x": 2, "y": 3}


def test_a_task_that_one_text_names_twice_runs_once_and_counts_as_a_split() -> None:
    """`do: b, b` leads to b by one transition, on a route of its own as b is named twice: as in the real one."""
    done = conduct("tasks: {a: {action: p.a, next: [{do: 'b, b'}]}, b: {action: p.b}}")
    assert [(request.task, request.route) for request in done.order] == [("a", 0), ("b", 1)]
