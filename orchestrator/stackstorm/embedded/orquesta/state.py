"""The state of one running workflow: what ran, what is staged to run, and the contexts that were published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import statuses

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Run:
    """One run of a task on a route. `contexts` are indexes; `next` tells which transitions were taken."""

    task: str
    route: int
    contexts: list[int]
    previous: dict[str, int] = field(default_factory=dict)
    status: str = statuses.UNSET
    next: dict[str, bool] = field(default_factory=dict)
    terminal: bool = False
    retries_left: int | None = None
    retry_delay: int = 0


@dataclass(slots=True)
class Staged:
    """A task that some way leads to; it runs once it is ready. `on_failure`: even though the workflow has failed."""

    task: str
    route: int
    contexts: list[int]
    previous: dict[str, int] = field(default_factory=dict)
    ready: bool = True
    on_failure: bool = False
    retry_delay: int | None = None


@dataclass(slots=True)
class State:
    """Everything the conductor remembers."""

    status: str = statuses.UNSET
    contexts: list[dict[str, Any]] = field(default_factory=list)
    routes: list[list[str]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    latest: dict[tuple[str, int], int] = field(default_factory=dict)
    staged: list[Staged] = field(default_factory=list)

    def run_of(self, task: str, route: int) -> Run | None:
        """Give the latest run of a task on a route."""
        index = self.latest.get((task, route))
        return None if index is None else self.runs[index]

    def add_run(self, run: Run) -> Run:
        """Remember a run as the latest of its task and route."""
        self.runs.append(run)
        self.latest[run.task, run.route] = len(self.runs) - 1
        return run

    def staged_of(self, task: str, route: int) -> Staged | None:
        """Give what is staged for a task on a route."""
        return next((entry for entry in self.staged if entry.task == task and entry.route == route), None)

    def unstage(self, task: str, route: int) -> None:
        """Forget what is staged for a task on a route."""
        entry = self.staged_of(task, route)
        if entry is not None:
            self.staged.remove(entry)

    @property
    def ready(self) -> list[Staged]:
        """What can run now."""
        return [entry for entry in self.staged if entry.ready]

    def _current(self) -> Iterator[Run]:
        return (self.runs[index] for index in self.latest.values())

    def any_run(self, among: frozenset[str]) -> bool:
        """Tell whether the latest run of any task has one of these statuses."""
        return any(run.status in among for run in self._current())

    def context(self, indexes: list[int]) -> dict[str, Any]:
        """Merge contexts in order.

        Mappings of the same name are merged into one another for good, as the real conductor does: what one branch
        publishes into a mapping shows in the others.
        """
        merged: dict[str, Any] = {}
        for index in indexes:
            merge(merged, self.contexts[index])
        return merged

    def status_of(self, task: str, route: int) -> str:
        """Give a task's status on a route, or on the nearest earlier route that this one came from."""
        run = self.run_of(task, route)
        if run is not None:
            return run.status
        for earlier in range(route - 1, -1, -1):
            if set(self.routes[earlier]) <= set(self.routes[route]):
                return self.status_of(task, earlier)
        return statuses.UNSET


def merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Merge `right` into `left`, mappings into mappings, anything else replacing what was there."""
    for name, value in right.items():
        old = left.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merge(old, value)
        else:
            left[name] = value
    return left
