"""A workflow as inspection reads it: short forms written out, and anything of a wrong type left as it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.stackstorm.embedded.orquesta import inline
from orchestrator.stackstorm.embedded.orquesta.graph import Graph
from orchestrator.stackstorm.embedded.orquesta.spec import Task, Transition, WorkflowSpec

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One transition: its body with the inline form of publish written out, and the tasks it leads to."""

    body: Body
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskOutline:
    """One task: its body with the inline form of action and items written out, and its transitions."""

    body: Body = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    @property
    def joins(self) -> bool:
        """Tell whether it waits for the ways that lead to it."""
        return self.body.get("join") is not None


def tasks(workflow: Body) -> dict[str, TaskOutline]:
    """Give the tasks by name; what is no mapping of tasks has none."""
    bodies = workflow.get("tasks")
    if not isinstance(bodies, dict):
        return {}
    return {str(name): _task(body) for name, body in bodies.items()}


def _task(body: Any) -> TaskOutline:
    if not isinstance(body, dict):
        return TaskOutline()
    written = dict(body)
    action = body.get("action")
    if isinstance(action, str) and (short := dict(inline.parameters(action))):
        written |= {"action": action.split(" ", 1)[0], "input": short}
    if isinstance(body.get("with"), str):
        written["with"] = {"items": body["with"]}
    steps = body.get("next")
    return TaskOutline(written, tuple(map(_step, steps)) if isinstance(steps, list) else ())


def _step(body: Any) -> Step:
    if not isinstance(body, dict):
        return Step({}, ())
    publish = body.get("publish")
    if isinstance(publish, str):
        body = {**body, "publish": [{name: value} for name, value in inline.parameters(publish)]}
    return Step(body, _targets(body.get("do")))


def _targets(value: Any) -> tuple[str, ...]:
    if not value:
        return ("continue",)
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def graph(outlines: dict[str, TaskOutline]) -> Graph:
    """Give who leads to whom."""
    return Graph(
        WorkflowSpec(
            {
                name: Task(
                    name, join=task.body.get("join"), next=tuple(Transition(do=step.targets) for step in task.steps)
                )
                for name, task in outlines.items()
            }
        )
    )
