"""The state of one running workflow: what ran, what is staged to run, and the contexts that were published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.orquesta import statuses

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


@dataclass(slots=True)
class Run:
    """One run of a task on a route. `contexts` are indexes; `next` tells which transitions were taken.

    `results`: what its items ended with, in their order; none for a task without items. `open`: it ended before all
    its items had; the next run goes on with its results.
    """

    task: str
    route: int
    contexts: list[int]
    previous: dict[str, int] = field(default_factory=dict)
    status: str = statuses.UNSET
    next: dict[str, bool] = field(default_factory=dict)
    terminal: bool = False
    retries_left: int | None = None
    retry_delay: int = 0
    results: list[Any] = field(default_factory=list)
    open: bool = False


@dataclass(slots=True)
class Staged:
    """A task that some way leads to; it runs once it is ready. `on_failure`: even though the workflow has failed.

    A task with items stays staged while it runs: `items` are their statuses. One that failed is `over`, and stays to be
    run again.
    """

    task: str
    route: int
    contexts: list[int]
    previous: dict[str, int] = field(default_factory=dict)
    ready: bool = True
    on_failure: bool = False
    retry_delay: int | None = None
    items: list[str] | None = None
    over: bool = False

    @property
    def busy(self) -> bool:
        """Tell whether some of its items are active."""
        return bool(statuses.ACTIVE.intersection(self.items or ()))


@dataclass(slots=True)
class State:
    """Everything the conductor remembers but the errors and the output."""

    status: str = statuses.UNSET
    contexts: list[dict[str, Any]] = field(default_factory=list)
    routes: list[list[str]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    latest: dict[tuple[str, int], int] = field(default_factory=dict)
    staged: list[Staged] = field(default_factory=list)
    shared: bool = False

    def dump(self) -> dict[str, Any]:
        """Give the state as JSON can hold it."""
        return {
            "status": self.status,
            "contexts": copied(self.contexts),
            "routes": copied(self.routes),
            "runs": [dumped(run) for run in self.runs],
            "staged": [dumped(entry) for entry in self.staged],
        }

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> State:
        """Make a state of what `dump` gave."""
        state = cls(dumped["status"], copied(dumped["contexts"]), copied(dumped["routes"]))
        for run in dumped["runs"]:
            state.add_run(Run(**copied(run)))
        state.staged = [Staged(**copied(entry)) for entry in dumped["staged"]]
        return state

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
        """Forget what is staged for a task on a route, unless items of it are active."""
        entry = self.staged_of(task, route)
        if entry is not None and not entry.busy:
            self.staged.remove(entry)

    @property
    def ready(self) -> list[Staged]:
        """What can run now."""
        return [entry for entry in self.staged if entry.ready and not entry.over]

    def current(self) -> Iterator[Run]:
        """Give the latest run of every task and route."""
        return (self.runs[index] for index in self.latest.values())

    def any_run(self, among: frozenset[str]) -> bool:
        """Tell whether the latest run of any task has one of these statuses."""
        return any(run.status in among for run in self.current())

    def context(self, indexes: list[int]) -> dict[str, Any]:
        """Merge contexts in order.

        Mappings of the same name are merged into one another for good, as the real conductor does: what one branch
        publishes into a mapping shows in the others.
        """
        merged: dict[str, Any] = {}
        for index in indexes:
            self.merge(merged, self.contexts[index])
        return merged

    def merge(self, context: dict[str, Any], more: dict[str, Any]) -> None:
        """Merge one context into another; both may hold mappings of `contexts`."""
        for name, value in more.items():
            old = context.get(name)
            if isinstance(old, dict) and isinstance(value, dict):
                self.shared |= merge(old, value)
            else:
                context[name] = value

    def separate(self) -> None:
        """Let no two contexts share a mapping: they do while one event is worked on, not once they are written down."""
        if self.shared:
            self.contexts = copied(self.contexts)
            self.shared = False

    def nearest_run(self, task: str, route: int) -> Run | None:
        """Give a task's latest run on a route, or on the nearest earlier route that this one came from."""
        run = self.run_of(task, route)
        if run is not None:
            return run
        for earlier in range(route - 1, -1, -1):
            if set(self.routes[earlier]) <= set(self.routes[route]):
                return self.nearest_run(task, earlier)
        return None

    def status_of(self, task: str, route: int) -> str:
        """Give a task's status on a route, or on the nearest earlier route that this one came from."""
        run = self.nearest_run(task, route)
        return statuses.UNSET if run is None else run.status


def merge(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Merge `right` into `left`, mappings into mappings, anything else replacing what was there.

    Tells whether they share a mapping now.
    """
    shared = False
    for name, value in right.items():
        old = left.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            shared |= old is not value and merge(old, value)
        else:
            left[name] = value
            shared |= isinstance(value, dict)
    return shared


def dumped(entry: Run | Staged) -> dict[str, Any]:
    """Give what an entry holds, copied once: `asdict` would copy it a second time, at the cost of all the rest."""
    return {name: value if type(value := getattr(entry, name)) in _PLAIN else copied(value) for name in entry.__slots__}


def copied(value: Any) -> Any:
    """Copy a value as JSON holds it: names are text, every sequence is a list.

    Most of what it meets is plain: to ask first, instead of calling itself, saves half of its time.
    """
    if isinstance(value, dict):
        return {
            name if type(name) is str else str(name): member if type(member) in _PLAIN else copied(member)
            for name, member in value.items()
        }
    if isinstance(value, list | tuple):
        return [member if type(member) in _PLAIN else copied(member) for member in value]
    return value
