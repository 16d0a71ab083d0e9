"""The conductor: told what became of each task, it decides what runs next and how the workflow ends. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.error_log import ErrorLog
from orchestrator.stackstorm.embedded.orquesta.graph import Graph
from orchestrator.stackstorm.embedded.orquesta.progress import Event, Progress
from orchestrator.stackstorm.embedded.orquesta.refusals import InvalidTaskStateEntry, InvalidWorkflowStatusTransition
from orchestrator.stackstorm.embedded.orquesta.rendering import Rendering
from orchestrator.stackstorm.embedded.orquesta.requests import ActionRequest, TaskRequest, request
from orchestrator.stackstorm.embedded.orquesta.rerun import Rerun
from orchestrator.stackstorm.embedded.orquesta.scope import NOTHING_OUTSIDE, ExpressionError
from orchestrator.stackstorm.embedded.orquesta.state import Staged, State, copied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from orchestrator.stackstorm.embedded.orquesta.scope import Outside
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

__all__ = ["ActionRequest", "Conductor", "TaskRequest"]

FAULTS = (ExpressionError, TypeError, ValueError)


class Conductor:
    """One workflow execution. `status`, `errors` and `output` are what its execution shows.

    `outside` is what its expressions may ask of the world around it.

    Who runs the actions calls `start`, then again and again: `next_tasks`; `action_started` for every action in them
    before any is run (without an item for a task that has none, or none left); `action_ended` when one has ended, waits
    for somebody (pending) or is paused; and `finish`, which renders the output once the workflow has ended.
    """

    def __init__(
        self,
        spec: WorkflowSpec,
        context: Mapping[str, Any],
        inputs: Mapping[str, Any],
        outside: Outside = NOTHING_OUTSIDE,
    ) -> None:
        self._assemble(spec, Rendering(spec, State(), outside), ErrorLog(), None)
        first, errors = self._rendering.first_context(context, inputs)
        if errors:
            for error in errors:
                self._log.failure(error)
            self._progress.fail()
            return
        self.state.contexts.append(first)
        self.state.routes.append([])
        self.state.staged.extend(Staged(name, 0, [0]) for name in self._graph.roots)

    def _assemble(self, spec: WorkflowSpec, rendering: Rendering, log: ErrorLog, output: dict[str, Any] | None) -> None:
        self.state = rendering.state
        self.output = output
        self._spec = spec
        self._log = log
        self._graph = Graph(spec)
        self._rendering = rendering
        self._progress = Progress(self._graph, self.state, rendering, log)

    def dump(self) -> dict[str, Any]:
        """Give everything that a conductor of the same workflow needs to go on from here, as JSON can hold it."""
        return {"state": self.state.dump(), "errors": copied(self.errors), "output": copied(self.output)}

    @classmethod
    def load(cls, spec: WorkflowSpec, dumped: Mapping[str, Any], outside: Outside = NOTHING_OUTSIDE) -> Conductor:
        """Make the conductor that gave this dump."""
        conductor = cls.__new__(cls)
        rendering = Rendering(spec, State.load(dumped["state"]), outside)
        log = ErrorLog(copied(dumped["errors"]))
        conductor._assemble(spec, rendering, log, copied(dumped["output"]))  # noqa: SLF001 its own
        return conductor

    @property
    def status(self) -> str:
        """The workflow's status."""
        return self.state.status

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What went wrong, in the order it did."""
        return self._log.entries

    def start(self) -> None:
        """Begin: the workflow is running, unless its inputs already failed it."""
        if self.status == statuses.UNSET:
            self.state.status = statuses.RUNNING

    def next_tasks(self) -> list[TaskRequest]:
        """Give the tasks to run now, by name and route; an input that cannot be rendered fails the workflow.

        A running task with items comes again when more of its items may run.
        """
        requests: list[TaskRequest] = []
        entries = self._to_run()
        well = self._each(entries, lambda entry: requests.extend(self._render(entry)))
        well = well and self._each(entries, self._know_retry)
        self.state.separate()
        return sorted(requests, key=lambda request: (request.task, request.route)) if well else []

    def action_started(self, task: str, route: int, item: int | None = None) -> None:
        """Record that a task's action is running, or that it runs on after a pause."""
        self._progress.update(task, route, Event(statuses.RUNNING, None, item))

    def action_ended(self, task: str, route: int, status: str, result: Any, item: int | None = None) -> None:
        """Record what became of a task's action: any status of StackStorm, `pending` and `paused` included.

        A retry whose condition cannot be evaluated fails the workflow, and so does what no way has led to, as an item
        that ends when its task has been begun anew and has ended.
        """
        try:
            self._progress.update(task, route, Event(status, result, item))
        except (*FAULTS, InvalidTaskStateEntry) as error:
            self.fail(error, task, route)
        self.state.separate()

    def request(self, status: str) -> None:
        """Ask the workflow to pause (`pausing`, `paused`), to go on (`resuming`, `running`) or to end (`canceling`,
        `canceled`); its status is then what its tasks allow. Raises InvalidWorkflowStatusTransition.
        """
        before = self.status
        if not self._progress.ask(status):
            raise InvalidWorkflowStatusTransition(before, status)

    def rerun(self, tasks: Sequence[str] | None = None, reset_items: Collection[str] = ()) -> None:
        """Run a workflow that has ended again, from the tasks that failed or from those named, on every route.

        A task with items runs those that failed; one that is also in `reset_items`, all. Then the workflow is resuming.
        Raises WorkflowIsActiveAndNotRerunableError, InvalidTaskRerunRequest, ExpressionError, ValueError.
        """
        Rerun(self._graph, self.state, self._progress, self._log).prepare(tasks or (), reset_items)
        self.output = None

    def fail(self, error: Exception, task: str | None = None, route: int | None = None) -> None:
        """Fail the workflow for a reason that is not a task's own, such as an action that does not exist."""
        self._log.failure(error, task, route)
        self._progress.fail()

    def finish(self) -> None:
        """Render the output once the workflow has ended, however it did; an output that fails, fails the workflow."""
        if self.status not in statuses.COMPLETED or self.output:
            return
        rendered, errors = self._rendering.output()
        self.state.separate()
        self.output = rendered or None
        for error in errors:
            self._log.failure(error)
        if errors:
            self._progress.fail()

    def _to_run(self) -> list[Staged]:
        if self.status == statuses.FAILED:
            return [entry for entry in self.state.ready if entry.on_failure]
        return self.state.ready if self.status in statuses.ADVANCING else []

    def _each(self, entries: list[Staged], step: Callable[[Staged], None]) -> bool:
        """Do a step for all that is staged; what cannot be evaluated in any of it fails the workflow."""
        well = True
        for entry in entries:
            try:
                step(entry)
            except FAULTS as error:
                well = False
                self._log.failure(error, entry.task, entry.route)
        if not well:
            self._progress.fail()
        return well

    def _render(self, entry: Staged) -> list[TaskRequest]:
        rendered = request(self._spec.task(entry.task), entry, self._rendering.staged_scope(entry))
        return [] if rendered is None else [rendered]

    def _know_retry(self, entry: Staged) -> None:
        """Evaluate how a task is retried before anything of it runs."""
        if entry.retry_delay is None:
            self._progress.retry_of(entry.task, entry.contexts)
