"""Running a workflow that has ended again, from the tasks that failed or from those that are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.refusals import (
    InvalidTaskRerunRequest,
    WorkflowIsActiveAndNotRerunableError,
)
from orchestrator.stackstorm.embedded.orquesta.state import Staged

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.stackstorm.embedded.orquesta.error_log import ErrorLog
    from orchestrator.stackstorm.embedded.orquesta.graph import Graph
    from orchestrator.stackstorm.embedded.orquesta.progress import Progress
    from orchestrator.stackstorm.embedded.orquesta.state import State

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Rerun:
    """Stages tasks of a workflow that has ended, so that it can be resumed."""

    graph: Graph
    state: State
    progress: Progress
    log: ErrorLog

    def prepare(self, tasks: Sequence[str], reset: Collection[str]) -> None:
        """Stage the named tasks on every route, or those that failed; those in `reset` run all their items again.

        Raises WorkflowIsActiveAndNotRerunableError, InvalidTaskRerunRequest, and what a task's retry raises.
        """
        if self.state.status not in statuses.COMPLETED:
            raise WorkflowIsActiveAndNotRerunableError
        chosen = sorted(self._named(tasks) if tasks else self._failed())
        for place in chosen:  # what cannot be evaluated is known before anything changes
            self.progress.retry_of(place[0], self.state.runs[self.state.latest[place]].contexts)
        for task, route in chosen:
            self._again(task, route, reset_items=task in reset)
        led_on = {(run.task, run.route): run for run in self.state.runs if run.terminal and any(run.next.values())}
        for run in led_on.values():  # of several, the last: the others still count for the output
            run.terminal = False
        self.state.status = statuses.RESUMING

    def _failed(self) -> set[Place]:
        return {(run.task, run.route) for run in self.state.runs if run.terminal and run.status in statuses.ABENDED}

    def _named(self, tasks: Sequence[str]) -> set[Place]:
        """Give where the tasks ran; one that only leads up to others of them is left to those that it follows."""
        if unknown := [task for task in tasks if not any(task == ran for ran, _ in self.state.latest)]:
            raise InvalidTaskRerunRequest(unknown=dict.fromkeys(unknown))
        after = {place: self._sequence(place) for place in self.state.latest if place[0] in tasks}
        first = {place for place, runs in after.items() if any(runs - others for others in after.values())}
        chosen = first if len(after) > 1 else set(after)
        if done := [place for place in chosen if self._has_items(place[0]) and self.state.staged_of(*place) is None]:
            raise InvalidTaskRerunRequest(done=[f"{task}|{route}" for task, route in sorted(done)])
        return chosen

    def _has_items(self, task: str) -> bool:
        return self.graph.spec.task(task).items is not None

    def _sequence(self, place: Place) -> set[int]:
        """Give the run of a task, and those that came right after it."""
        runs = self.state.runs
        after = {
            index
            for index, run in enumerate(runs)
            if any((runs[before].task, runs[before].route) == place for before in run.previous.values())
        }
        return {self.state.latest[place]} | after

    def _again(self, task: str, route: int, *, reset_items: bool) -> None:
        run = self.state.runs[self.state.latest[task, route]]
        run.terminal = False
        self.log.forget(task)
        staged = self.state.staged_of(task, route)
        if staged is not None:
            staged.over = False
        if staged is not None and self._has_items(task):
            for index, status in enumerate(staged.items or ()):
                if staged.items is not None and (reset_items or status in statuses.ABENDED):
                    staged.items[index] = statuses.UNSET
        else:
            self.progress.new_run(task, route, run.contexts, run.previous)
            self.state.staged.append(Staged(task, route, list(run.contexts), dict(run.previous)))
        for index in self._sequence((task, route)):
            self.state.runs[index].terminal = False
