"""Executions as people steer them: pause, resume, cancel, run again, respond; alone and in workflows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.stackstorm_server import embedded
from tests.unit.stackstorm.asking import Asking, until, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKFLOWS = {
    "steps": """\
input: [gate]
tasks:
  first: {action: demo.wait gate=<% ctx(gate) %>, next: [{when: <% succeeded() %>, do: second}]}
  second: {action: demo.nothing, next: [{publish: [{done: <% result().return_code %>}]}]}
output: [{done: <% ctx(done) %>}]
""",
    "above": """\
input: [gate]
tasks:
  below: {action: demo.steps gate=<% ctx(gate) %>, next: [{publish: [{got: <% result().output %>}], do: last}]}
  last: {action: demo.nothing}
output: [{got: <% ctx(got) %>}]
""",
    "items": """\
input: [names, concurrency, fail]
tasks:
  each:
    with: {items: name in <% ctx(names) %>, concurrency: <% ctx(concurrency) %>}
    action: demo.echo said=<% item(name) %> fail=<% ctx(fail) %>
    next: [{when: <% succeeded() %>, publish: [{said: <% result().result %>}]}]
output: [{said: <% ctx(said) %>}]
""",
    "late": """\
tasks:
  one: {action: demo.nothing, next: [{do: two}]}
  two: {action: demo.nothing, delay: 600}
""",
    "asking": """\
tasks:
  ask:
    action: core.ask
    next: [{when: <% succeeded() %>, publish: [{answer: <% result().response %>}], do: [go, also]}]
  go: {action: demo.nothing}
  also: {action: demo.nothing}
output: [{answer: <% ctx(answer) %>}]
""",
    "hasty": """\
input: [gate]
tasks:
  wait: {action: demo.wait gate=<% ctx(gate) %> timeout=1, next: [{when: <% failed() %>, do: remedy}]}
  remedy: {action: demo.nothing}
""",
    "flaky": """\
input: [file]
tasks:
  sure: {action: demo.nothing, next: [{do: unsure}]}
  unsure: {action: demo.there file=<% ctx(file) %>, next: [{when: <% succeeded() %>, do: after}]}
  after: {action: demo.nothing}
""",
    "circle": """\
vars: [{n: 0}]
tasks:
  round: {next: [{when: <% ctx(n) < 100 %>, publish: [{n: <% ctx(n) + 1 %>}], do: round}]}
  begin: {next: [{do: round}]}
output: [{n: <% ctx(n) %>}]
""",
}
ACTIONS = {
    "wait": (
        "gate",
        "import os, time\n        print('waiting')\n        while not os.path.exists(gate): time.sleep(0.02)",
    ),
    "echo": ("said, fail=None", "return (said != fail, said)"),
    "there": ("file", "import os\n        return (os.path.exists(file), file)"),
}
INPUTS = {
    "steps": ["gate"], "above": ["gate"], "items": ["names", "concurrency", "fail"], "late": [], "asking": [],
    "flaky": ["file"], "circle": [], "hasty": ["gate"], "wait": ["gate"],
    "echo": ["said", "fail"], "there": ["file"], "nothing": [],
}  # fmt: skip


def files() -> dict[str, str]:
    """The files of the pack demo."""
    found = {"pack.yaml": "{name: demo, description: d, version: 0.1.0, author: a}"}
    for name, names in INPUTS.items():
        kind = "orquesta" if name in WORKFLOWS else "python-script" if name in ACTIONS else "noop"
        entry = f"workflows/{name}.yaml" if name in WORKFLOWS else f"{name}.py" if name in ACTIONS else ""
        parameters = {each: {} if each in ("concurrency", "names", "fail") else {"type": "string"} for each in names}
        found[f"actions/{name}.yaml"] = json.dumps(
            {"name": name, "runner_type": kind, "entry_point": entry, "parameters": parameters}
        )
    found |= {f"actions/workflows/{name}.yaml": f"version: 1.0\n{text}" for name, text in WORKFLOWS.items()}
    base = "from st2common.runners.base_action import Action\n\n\nclass Run(Action):\n"
    for name, (given, body) in ACTIONS.items():
        found[f"actions/{name}.py"] = f"{base}    def run(self, {given}):\n        {body}\n"
    return found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """An embedded StackStorm with the pack demo."""
    folder = tmp_path_factory.mktemp("lifecycle")
    with embedded(folder, write(folder / "demo", files())) as url:
        yield Asking(f"{url}/v1")


def test_a_paused_workflow_launches_nothing_until_it_is_resumed(api: Asking, tmp_path: Path) -> None:
    """Pausing shows at once, paused once the running action has ended; resumed, the next task runs."""
    id_ = api.ask("demo.steps", gate=str(tmp_path / "gate"))
    api.children(id_)
    answer = api.call("PUT", f"/executions/{id_}", {"status": "pausing"})
    assert (answer.status_code, answer.json()["status"]) == (200, "pausing")
    assert answer.json()["context"]["paused_by"] == "stanley"
    assert api.call("PUT", f"/executions/{id_}", {"status": "pausing"}).status_code == 200
    (tmp_path / "gate").touch()
    assert api.reached(id_, "paused")["result"] == {"output": None}
    assert len(api.children(id_)) == 1
    answer = api.call("PUT", f"/executions/{id_}", {"status": "resuming"})
    assert (answer.json()["status"], answer.json()["context"]["resumed_by"]) == ("resuming", "stanley")
    assert api.reached(id_)["result"] == {"output": {"done": 0}}
    assert api.log(id_) == [
        "requested", "scheduled", "running", "pausing", "paused", "resuming", "running", "succeeded",
    ]  # fmt: skip


def test_a_pause_reaches_the_workflow_below_and_comes_back_up(api: Asking, tmp_path: Path) -> None:
    """The workflow below pauses too, the one above is paused when it is; resumed from above, both succeed."""
    id_ = api.ask("demo.above", gate=str(tmp_path / "gate"))
    (below,) = api.children(id_)
    until(lambda: api.show(below["id"]).get("children"))
    api.call("PUT", f"/executions/{id_}", {"status": "pausing"})
    api.reached(below["id"], "pausing")
    (tmp_path / "gate").touch()
    api.reached(below["id"], "paused")
    api.reached(id_, "paused")
    api.call("PUT", f"/executions/{id_}", {"status": "resuming"})
    assert api.reached(id_)["result"] == {"output": {"got": {"done": 0}}}
    assert api.show(below["id"])["context"]["parent"] == {"execution_id": id_, "user": "stanley", "pack": "demo"}


def test_a_workflow_below_that_is_resumed_takes_the_one_above_along(api: Asking, tmp_path: Path) -> None:
    """Paused and resumed below, the workflow above follows both ways."""
    id_ = api.ask("demo.above", gate=str(tmp_path / "gate"))
    (below,) = api.children(id_)
    until(lambda: api.show(below["id"]).get("children"))
    api.call("PUT", f"/executions/{below['id']}", {"status": "pausing"})
    (tmp_path / "gate").touch()
    api.reached(id_, "paused")
    api.call("PUT", f"/executions/{below['id']}", {"status": "resuming"})
    assert api.reached(id_)["status"] == "succeeded"


@pytest.mark.parametrize(
    ("action", "asked", "fault"),
    [
        ("demo.wait", "pausing", 'pause liveaction "{}" because it is not supported by the "python-script" runner.'),
        ("demo.wait", "resuming", 'resume liveaction "{}" because it is not supported by the "python-script" runner.'),
        ("demo.steps", "succeeded", None),
    ],
)
def test_what_cannot_be_asked_of_an_execution_is_refused(
    api: Asking, tmp_path: Path, action: str, asked: str, fault: str | None
) -> None:
    """The answer is 400, and says why as StackStorm does."""
    id_ = api.ask(action, gate=str(tmp_path / "gate"))
    answer = api.call("PUT", f"/executions/{id_}", {"status": asked})
    liveaction = api.show(id_)["liveaction"]["id"]
    said = answer.json()["faultstring"]
    assert answer.status_code == 400
    assert said == f"Failed updating execution. Unable to {fault.format(liveaction)}" if fault else asked in said
    (tmp_path / "gate").touch()
    api.reached(id_)
    answer = api.call("PUT", f"/executions/{id_}", {"status": "pausing"})
    assert (answer.status_code, answer.json()["faultstring"]) == (400, "Execution is already in completed state.")


def test_an_action_that_runs_is_killed_when_it_is_canceled(api: Asking, tmp_path: Path) -> None:
    """The answer shows canceling; then it is canceled, with the message as its result; canceling again is no fault."""
    id_ = api.ask("demo.wait", gate=str(tmp_path / "gate"))
    api.reached(id_, "running")
    answer = api.call("DELETE", f"/executions/{id_}")
    assert (answer.status_code, answer.json()["status"]) == (200, "canceling")
    shown = api.reached(id_)
    assert (shown["status"], shown["context"]["cancelled_by"]) == ("canceled", "stanley")
    assert shown["result"] == {"message": "Action canceled by user.", "user": "stanley"}
    assert shown["result_size"] == len('{"message":"Action canceled by user.","user":"stanley"}')
    assert api.call("DELETE", f"/executions/{id_}").json()["status"] == "canceled"
    done = api.reached(api.ask("demo.nothing"))["id"]
    answer = api.call("DELETE", f"/executions/{done}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"faultstring": "Action cannot be canceled. State = succeeded."},
    )


def test_an_action_that_takes_too_long_is_a_failed_task(api: Asking, tmp_path: Path) -> None:
    """Its status is timeout, and its workflow goes on as after any failure."""
    id_ = api.ask("demo.hasty", gate=str(tmp_path / "gate"))
    assert (api.reached(id_)["status"], [child["status"] for child in api.children(id_, 2)]) == (
        "succeeded",
        ["timeout", "succeeded"],
    )


def test_what_an_action_prints_shows_while_it_runs(api: Asking, tmp_path: Path) -> None:
    """The output comes before the end, and one stream alone when it is asked for."""
    id_ = api.ask("demo.wait", gate=str(tmp_path / "gate"))
    until(lambda: api.call("GET", f"/executions/{id_}/output").text == "waiting\n")
    assert api.call("GET", f"/executions/{id_}/output?output_type=stderr").text == ""
    (tmp_path / "gate").touch()
    api.reached(id_)
    assert api.call("GET", f"/executions/{id_}/output?output_type=stdout").text == "waiting\n"


def test_an_execution_that_runs_again_belongs_to_the_same_trace(api: Asking) -> None:
    """The trace of the first names both."""
    id_ = api.reached(api.ask("demo.nothing"))["id"]
    again = api.call("POST", f"/executions/{id_}/re_run", {}).json()
    trace = api.get(f"/traces/{again['context']['trace_context']['id_']}")
    assert {part["object_id"] for part in trace["action_executions"]} == {id_, again["id"]}


def test_a_canceled_workflow_waits_for_its_action_and_launches_nothing_more(api: Asking, tmp_path: Path) -> None:
    """The action that runs may end; the workflow is canceling until then."""
    id_ = api.ask("demo.steps", gate=str(tmp_path / "gate"))
    (child,) = api.children(id_)
    api.reached(child["id"], "running")
    assert api.call("DELETE", f"/executions/{id_}").json()["status"] == "canceling"
    (tmp_path / "gate").touch()
    assert api.reached(id_)["status"] == "canceled"
    assert api.status(child["id"]) == "succeeded"
    assert len(api.children(id_)) == 1


def test_canceling_a_workflow_below_cancels_the_one_on_top(api: Asking, tmp_path: Path) -> None:
    """Both are canceled once the action has ended."""
    id_ = api.ask("demo.above", gate=str(tmp_path / "gate"))
    (below,) = api.children(id_)
    (child,) = api.children(below["id"])
    api.reached(child["id"], "running")
    api.call("DELETE", f"/executions/{below['id']}")
    (tmp_path / "gate").touch()
    assert api.reached(below["id"])["status"] == "canceled"
    assert api.reached(id_)["status"] == "canceled"


def test_a_delayed_task_never_begins_in_a_canceled_workflow(api: Asking) -> None:
    """The delayed action is canceled, and with it the workflow, at once."""
    id_ = api.ask("demo.late")
    _, delayed = api.children(id_, 2)
    assert (delayed["status"], api.log(delayed["id"])) == ("delayed", ["requested", "delayed"])
    api.call("DELETE", f"/executions/{id_}")
    assert api.reached(id_)["status"] == "canceled"
    assert api.log(delayed["id"]) == ["requested", "delayed", "canceling", "canceled"]


def test_items_run_as_many_at_once_as_the_task_allows(api: Asking) -> None:
    """Every item runs, never more than two are unfinished at once, and the results come in the order of the items."""
    id_ = api.ask("demo.items", names=["a", "b", "c", "d", "e"], concurrency=2)
    assert api.reached(id_)["result"] == {"output": {"said": ["a", "b", "c", "d", "e"]}}
    children = api.get(f"/executions/{id_}/children")
    assert [child["context"]["orquesta"]["item_id"] for child in children] == [0, 1, 2, 3, 4]
    assert len({child["task_execution"] for child in children}) == 1
    for number, child in enumerate(children[2:]):
        assert sum(earlier["end_timestamp"] <= child["start_timestamp"] for earlier in children[: number + 2]) > number


def test_no_items_end_the_task_at_once(api: Asking) -> None:
    """An empty list of items succeeds with an empty result."""
    id_ = api.ask("demo.items", names=[], concurrency=2)
    assert api.reached(id_)["result"] == {"output": {"said": []}}


def test_failed_items_alone_run_again_unless_all_are_reset(api: Asking) -> None:
    """Run again from the task with items: only the item that failed; with reset, all of them."""
    id_ = api.ask("demo.items", names=["a", "b", "c"], concurrency=3, fail="b")
    assert api.reached(id_)["status"] == "failed"
    for reset, items in (([], [1]), (["each"], [0, 1, 2])):
        answer = api.call("POST", f"/executions/{id_}/re_run", {"tasks": ["each"], "reset": reset})
        assert answer.status_code == 201
        again = api.reached(answer.json()["id"])
        assert again["context"]["re-run"]["ref"] == id_
        below = api.get(f"/executions/{again['id']}/children")
        assert [child["context"]["orquesta"]["item_id"] for child in below] == items
        id_ = again["id"]


def test_a_workflow_runs_again_from_the_task_that_failed(api: Asking, tmp_path: Path) -> None:
    """The tasks before it do not run again; it succeeds, and so does what follows."""
    id_ = api.ask("demo.flaky", file=str(tmp_path / "file"))
    assert api.reached(id_)["status"] == "failed"
    (tmp_path / "file").touch()
    answer = api.call("POST", f"/executions/{id_}/re_run", {"tasks": ["unsure"], "parameters": {}})
    again = api.reached(answer.json()["id"])
    assert again["status"] == "succeeded"
    assert again["context"]["workflow_execution"] == api.show(id_)["context"]["workflow_execution"]
    below = api.get(f"/executions/{again['id']}/children")
    assert [child["context"]["orquesta"]["task_name"] for child in below] == ["unsure", "after"]


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"tasks": ["a"], "parameters": {"x": 1}}, "Parameters override is not supported when re-running task(s)"),
        ({"reset": ["a"]}, "List of tasks to reset does not match the tasks to rerun."),
        ({"tasks": ["a"]}, "Task option is only supported for Orquesta workflows."),
        ({"delay": "soon"}, "expected delay to be a whole number, got 'soon'"),
        ({"parameters": {"zz": 1}}, "Additional properties are not allowed ('zz' was unexpected)"),
    ],
)
def test_a_bad_request_to_run_again_is_refused(api: Asking, asked: dict[str, object], fault: str) -> None:
    """The answer is 400, and says why as StackStorm does."""
    id_ = api.ask("demo.nothing")
    answer = api.call("POST", f"/executions/{id_}/re_run", asked)
    assert answer.status_code == 400
    assert fault in answer.json()["faultstring"]


def test_a_workflow_that_cannot_run_again_fails_and_says_why(api: Asking) -> None:
    """A task that did not run cannot be run again."""
    id_ = api.reached(api.ask("demo.asking"), "paused")["id"]
    unfinished = api.call("POST", f"/executions/{id_}/re_run", {"tasks": ["ask"]}).json()["id"]
    wrong = "because it is not in a completed state."
    assert api.reached(unfinished)["result"]["errors"][0]["message"].endswith(wrong)
    done = api.reached(api.ask("demo.circle"))["id"]
    missing = api.call("POST", f"/executions/{done}/re_run", {"tasks": ["gone"]}).json()["id"]
    wrong = "Unable to rerun workflow because one or more tasks is not found: gone"
    assert api.reached(missing)["result"] == {"errors": [{"message": wrong}], "output": None}


def test_an_action_runs_again_with_other_parameters_after_a_delay(api: Asking) -> None:
    """Parameters are merged over those of the first execution; the delay is in milliseconds."""
    id_ = api.reached(api.ask("demo.echo", said="x", fail="y"))["id"]
    answer = api.call("POST", f"/executions/{id_}/re_run", {"parameters": {"said": "z"}, "delay": 300})
    assert (answer.status_code, answer.json()["status"]) == (201, "requested")
    again = api.reached(answer.json()["id"])
    assert (again["result"]["result"], again["parameters"]) == ("z", {"said": "z", "fail": "y"})
    assert api.log(again["id"]) == ["requested", "delayed", "scheduled", "running", "succeeded"]
    assert again["elapsed_seconds"] >= 0.3


def test_tasks_without_actions_that_run_in_circles_end(api: Asking) -> None:
    """A hundred rounds of tasks that end at once, and other executions are served meanwhile."""
    assert api.reached(api.ask("demo.circle"))["result"] == {"output": {"n": 100}}


def test_a_workflow_that_only_waits_for_a_response_is_paused_and_goes_on_with_it(api: Asking) -> None:
    """The inquiry is listed, a response that does not fit is refused, one that fits ends inquiry and workflow."""
    id_ = api.reached(api.ask("demo.asking"), "paused")["id"]
    (inquiry,) = api.children(id_)
    shown = api.get(f"/inquiries/{inquiry['id']}")
    assert (shown["route"], shown["ttl"], shown["users"], shown["roles"]) == ("", 1440, [], [])
    assert inquiry["id"] in [each["id"] for each in api.get("/inquiries")]
    assert inquiry["result"] == {name: shown[name] for name in ("schema", "roles", "users", "route", "ttl")}
    answer = api.call("PUT", f"/inquiries/{inquiry['id']}", {"id": inquiry["id"], "response": {"continue": "x"}})
    assert answer.status_code == 400
    assert "did not pass schema validation. 'x' is not of type 'boolean'\n\nFailed" in answer.json()["faultstring"]
    response = {"id": inquiry["id"], "response": {"continue": True}}
    answer = api.call("PUT", f"/inquiries/{inquiry['id']}", response)
    assert (answer.status_code, answer.json()) == (200, response)
    ended = api.reached(id_)
    assert (ended["status"], ended["result"]) == ("succeeded", {"output": {"answer": {"continue": True}}})
    assert api.log(inquiry["id"]) == ["requested", "scheduled", "running", "pending", "succeeded"]
    assert api.log(id_)[3:] == ["paused", "resuming", "running", "succeeded"]
    answer = api.call("PUT", f"/inquiries/{inquiry['id']}", response)
    assert answer.json()["faultstring"] == f'Inquiry "{inquiry["id"]}" has already been responded to.'


def test_only_the_named_users_may_respond(api: Asking) -> None:
    """Another user gets 403, and the inquiry goes on waiting; no inquiry is no inquiry."""
    id_ = api.reached(api.ask("core.ask", users=["hubot"], ttl=0), "pending")["id"]
    answer = api.call("PUT", f"/inquiries/{id_}", {"id": id_, "response": {"continue": True}})
    said = f'User "stanley" does not have permission to respond to inquiry "{id_}".'
    assert (answer.status_code, answer.json()["faultstring"], api.status(id_)) == (403, said, "pending")
    other = api.ask("demo.nothing")
    answer = api.call("PUT", f"/inquiries/{other}", {"id": other, "response": {}})
    assert (answer.status_code, answer.json()["faultstring"]) == (400, f'Action execution "{other}" is not an inquiry.')
    assert api.call("GET", "/inquiries/6b0000000000000000000000").status_code == 404
