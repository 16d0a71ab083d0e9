"""Notices: which routes an ended execution tells, and what."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.stackstorm.embedded.notices import notices


def execution(status: str, notify: dict[str, Any], **more: object) -> dict[str, Any]:
    """Make the document of an execution of demo.a that has ended."""
    return {
        "id": "e1",
        "action": {"ref": "demo.a", "notify": notify},
        "runner": "noop",
        "status": status,
        "start_timestamp": "2026-01-01T00:00:00.000000Z",
        "end_timestamp": "2026-01-01T00:00:01.000000Z",
        "parameters": {"who": "me"},
        "context": {"orquesta": {"task_name": "t1"}},
        "result": {"n": 1},
        **more,
    }


EVERY = {part: {"routes": [part]} for part in ("on-complete", "on-success", "on-failure")}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("succeeded", {"on-complete": "completed.", "on-success": "succeeded."}),
        ("failed", {"on-complete": "completed.", "on-failure": "failed."}),
        ("timeout", {"on-complete": "completed.", "on-failure": "failed."}),
        ("canceled", {"on-complete": "completed."}),
    ],
)
def test_each_part_is_for_its_statuses(status: str, told: dict[str, str]) -> None:
    """Without a message of its own, a notice says how the action ended."""
    found = {notice["route"]: notice["message"] for notice in notices(execution(status, EVERY), None, {})}
    assert found == {route: f"Action demo.a {word}" for route, word in told.items()}


def test_a_notice_says_what_its_templates_say() -> None:
    """Parameters, result and datastore can be named; each route gets its own, the result as JSON text."""
    asked = {
        "message": "{{ action_parameters.who }} {{ action_results.n }} {{ st2kv.system.k }}",
        "data": {"status": "{{ action_context.orquesta.task_name }}", "plain": 3},
        "routes": ["a", "b"],
    }
    names = {"st2kv": {"system": {"k": "v"}}}
    first, second = notices(execution("succeeded", {"on-complete": asked}), None, names)
    assert first == {**second, "route": "a", "channel": "a"}
    assert first["message"] == "me 1 v"
    assert first["data"] == {"status": "t1", "plain": 3, "result": '{"n": 1}'}


def test_a_request_says_whom_to_notify_before_its_action_does() -> None:
    """What the action would notify is left out then."""
    asked = execution("succeeded", EVERY) | {"notify": {"on-complete": {"routes": ["other"]}}}
    assert [notice["route"] for notice in notices(asked, None, {})] == ["other"]


def test_a_template_that_cannot_be_rendered_is_told_as_it_stands() -> None:
    """A notice is not lost for its words."""
    (found,) = notices(execution("failed", {"on-failure": {"message": "{{ gone }}", "channels": ["a"]}}), None, {})
    assert (found["message"], found["channel"]) == ("{{ gone }}", "a")


@pytest.mark.parametrize(
    ("notify", "tasks", "count"), [(EVERY, ["t1"], 2), (EVERY, ["t2"], 0), ({}, ["t1"], 0), (EVERY, None, 0)]
)
def test_a_task_notifies_only_where_its_workflow_asks_for_it(
    notify: dict[str, Any], tasks: list[str] | None, count: int
) -> None:
    """The workflow's action notifies itself, and its parameter lists the task."""
    workflow = execution("running", notify, parameters={"notify": tasks})
    assert len(list(notices(execution("succeeded", EVERY), workflow, {}))) == count
