"""Runs a workflow through the conductor alone: actions end at once, in the order they began, as a plan says."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.stackstorm.embedded.content import source
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.conductor import ActionRequest, Conductor, TaskRequest
from orchestrator.stackstorm.embedded.orquesta.reading import workflow

MOST_ACTIONS = 60


@dataclass
class Conducted:
    """What came of a workflow; `order` lists the tasks as they were requested."""

    status: str
    output: dict[str, Any] | None
    errors: list[dict[str, Any]]
    order: list[TaskRequest] = field(default_factory=list)

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks, in the order they were requested."""
        return [request.task for request in self.order]


def conduct(
    definition: str | dict[str, Any],
    plan: dict[str, list[bool]] | None = None,
    inputs: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
) -> Conducted:
    """Conduct a workflow; `plan` says for each task how its runs end (True: succeeded), the last word for all later.

    The n-th action of a task gives {"result": {"task": name, "n": n}, "exit_code": 0 or 1}.
    """
    text = definition if isinstance(definition, str) else yaml.safe_dump(definition, sort_keys=False)
    conductor = Conductor(workflow(source.parse(Path("w.yaml"), text)), context or {}, inputs or {})
    run = _Run(conductor, plan or {})
    conductor.start()
    run.to_the_end()
    return Conducted(conductor.status, conductor.output, conductor.errors, run.order)


class _Run:
    def __init__(self, conductor: Conductor, plan: dict[str, list[bool]]) -> None:
        self.order: list[TaskRequest] = []
        self._conductor = conductor
        self._plan = plan
        self._running: deque[tuple[TaskRequest, ActionRequest]] = deque()
        self._runs: Counter[str] = Counter()

    def to_the_end(self) -> None:
        self._begin()
        for _ in range(MOST_ACTIONS):
            if not self._running:
                break
            self._end(*self._running.popleft())
            self._begin()
            self._conductor.finish()
        self._conductor.finish()

    def _begin(self) -> None:
        while requests := self._conductor.next_tasks():
            actions = [
                (request, action) for request in requests for action in request.actions or (ActionRequest(None),)
            ]
            for request, action in actions:
                self._conductor.action_started(request.task, request.route, action.item)
            self.order += requests
            for request, action in actions:
                if action.action is None:
                    self._conductor.action_ended(request.task, request.route, statuses.SUCCEEDED, None)
                else:
                    self._running.append((request, action))

    def _end(self, request: TaskRequest, action: ActionRequest) -> None:
        number = self._runs[request.task]
        self._runs[request.task] += 1
        ends = self._plan.get(request.task, [True])
        well = ends[min(number, len(ends) - 1)]
        result = {"result": {"task": request.task, "n": number}, "exit_code": 0 if well else 1}
        status = statuses.SUCCEEDED if well else statuses.FAILED
        self._conductor.action_ended(request.task, request.route, status, result, action.item)
