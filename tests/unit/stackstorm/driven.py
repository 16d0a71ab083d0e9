"""Our conductor behind the driver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.content.source import Source
from orchestrator.stackstorm.embedded.orquesta.conductor import Conductor
from orchestrator.stackstorm.embedded.orquesta.reading import workflow
from orchestrator.stackstorm.embedded.orquesta.refusals import Refused
from orchestrator.stackstorm.embedded.orquesta.state import copied
from tests.unit.stackstorm.driving import Driver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.stackstorm.embedded.orquesta.requests import TaskRequest
    from tests.unit.stackstorm.driving import Place, Requested


def drive(case: dict[str, Any], *, restored: bool = False) -> list[Any]:
    """Run a case; `restored`: the conductor is dumped and loaded after each call."""
    return Driver(case, Ours(case, restored=restored)).drive()


class Ours:
    """The conductor, which may be written down and read again after each call."""

    def __init__(self, case: dict[str, Any], *, restored: bool) -> None:
        self._spec = workflow(Source(Path("w.yaml"), case["workflow"]))
        self._conductor = Conductor(self._spec, case.get("context", {}), case.get("inputs", {}))
        self._restored = restored

    def _restore(self) -> None:
        if self._restored:
            self._conductor = Conductor.load(self._spec, json.loads(json.dumps(self._conductor.dump())))

    def start(self) -> None:
        """Begin."""
        self._conductor.start()
        self._restore()

    def next_tasks(self) -> list[Requested]:
        """Give what to run now."""
        requests = [_request(request) for request in self._conductor.next_tasks()]
        self._restore()
        return requests

    def started(self, places: Sequence[Place]) -> None:
        """Tell that these actions run."""
        for task, route, item in places:
            self._told(task, route, item, "running", None)
        self._restore()

    def ended(self, place: Place, status: str, result: object) -> None:
        """Tell what became of an action."""
        self._told(*place, status, result)
        self._restore()

    def _told(self, task: str, route: int, item: int | None, status: str, result: object) -> None:
        try:
            if status == "running":
                self._conductor.action_started(task, route, item)
            else:
                self._conductor.action_ended(task, route, status, result, item)
        except Refused as error:
            self._conductor.fail(error, task, route)

    def request(self, status: str) -> str | None:
        """Ask for a status."""
        try:
            self._conductor.request(status)
        except Refused as error:
            return type(error).__name__
        self._restore()
        return None

    def rerun(self, tasks: list[str], reset: list[str]) -> str | None:
        """Run again."""
        try:
            self._conductor.rerun(tasks, reset)
        except Exception as error:  # noqa: BLE001 an expression may raise any, and its name is compared
            return type(error).__name__
        self._restore()
        return None

    def finish(self) -> None:
        """Render the output."""
        self._conductor.finish()
        self._restore()

    def status(self) -> str:
        """Give the workflow's status."""
        return self._conductor.status

    def now(self) -> dict[str, Any]:
        """Give what can be seen at any time."""
        state = self._conductor.state
        staged = [[entry.task, entry.route, entry.ready, copied(entry.items), entry.over] for entry in state.staged]
        return {
            "status": state.status,
            "tasks": {f"{run.task}|{run.route}": run.status for run in state.current()},
            "staged": sorted(staged, key=lambda entry: (entry[0], entry[1])),
            "errors": len(self._conductor.errors),
        }

    def end(self) -> dict[str, Any]:
        """Give what is left when all is over."""
        conductor, state = self._conductor, self._conductor.state
        runs = [
            [run.task, run.route, run.status, run.terminal, run.contexts, run.previous, run.next] for run in state.runs
        ]
        return {
            "output": conductor.output,
            "errors": conductor.errors,
            "routes": state.routes,
            "contexts": state.contexts,
            "runs": copied(runs),
        }


def _request(request: TaskRequest) -> Requested:
    actions = [[action.item, action.action, action.input, request.delay_of(action)] for action in request.actions]
    return [request.task, request.route, request.delay, request.items, request.concurrency, actions]
