"""The conductor: told what became of each task, it decides what runs next and how the workflow ends. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate
from orchestrator.stackstorm.embedded.orquesta.graph import Edge, Graph
from orchestrator.stackstorm.embedded.orquesta.rendering import Rendering
from orchestrator.stackstorm.embedded.orquesta.scope import ExpressionError, Scope
from orchestrator.stackstorm.embedded.orquesta.spec import COMMANDS
from orchestrator.stackstorm.embedded.orquesta.state import Run, Staged, State
from orchestrator.stackstorm.embedded.orquesta.ways import Ways

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

COMMAND_STATUS = {"continue": statuses.SUCCEEDED, "noop": statuses.SUCCEEDED, "fail": statuses.FAILED}
_CANCEL = frozenset({statuses.CANCELING, statuses.CANCELED})


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """A task to run now: its action (none: it succeeds at once), the rendered input, the delay in seconds."""

    task: str
    route: int
    action: str | None
    input: dict[str, Any] = field(default_factory=dict)
    delay: int = 0


class Conductor:
    """One workflow execution. `status`, `errors` and `output` are what its execution shows."""

    def __init__(self, spec: WorkflowSpec, context: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        self.state = State()
        self.errors: list[dict[str, Any]] = []
        self.output: dict[str, Any] | None = None
        self._spec = spec
        self._graph = Graph(spec)
        self._ways = Ways(self._graph, self.state)
        self._rendering = Rendering(spec, self.state)
        first, errors = self._rendering.first_context(context, inputs)
        if errors:
            self._refuse(errors)
            return
        self.state.contexts.append(first)
        self.state.routes.append([])
        self.state.staged.extend(Staged(name, 0, [0]) for name in self._graph.roots)

    @property
    def status(self) -> str:
        """The workflow's status."""
        return self.state.status

    def start(self) -> None:
        """Begin: the workflow is running, unless its inputs already failed it."""
        if self.status == statuses.UNSET:
            self.state.status = statuses.RUNNING

    def next_tasks(self) -> list[TaskRequest]:
        """Give the tasks to run now, by name and route; an input that cannot be rendered fails the workflow."""
        requests: list[TaskRequest] = []
        failed = False
        for entry in self._to_run():
            try:
                requests.append(self._request(entry))
            except (ExpressionError, TypeError) as error:
                failed = True
                self._log_error(error, entry.task, entry.route)
        if failed:
            self._fail()
            return []
        return sorted(requests, key=lambda request: (request.task, request.route))

    def task_started(self, task: str, route: int) -> None:
        """Record that a task's action is running."""
        self._update(task, route, statuses.RUNNING, None)

    def task_ended(self, task: str, route: int, status: str, result: Any) -> None:
        """Record how a task's action ended: a final status of StackStorm, and its result."""
        self._update(task, route, statuses.FAILED if status in statuses.ABENDED else status, result)

    def fail(self, error: Exception, task: str | None = None, route: int | None = None) -> None:
        """Fail the workflow for a reason that is not a task's own, such as an action that does not exist."""
        self._log_error(error, task, route)
        self._fail()

    def finish(self) -> None:
        """Render the output once the workflow has ended, however it did; an output that fails, fails the workflow."""
        if self.status not in statuses.COMPLETED or self.output:
            return
        rendered, errors = self._rendering.output()
        self.output = rendered or None
        for error in errors:
            self._log_error(error)
        if errors and self.status != statuses.CANCELED:
            self.state.status = statuses.FAILED

    def _to_run(self) -> list[Staged]:
        if self.status == statuses.FAILED:
            return [entry for entry in self.state.ready if entry.on_failure]
        return self.state.ready if self.status in statuses.ADVANCING else []

    def _request(self, entry: Staged) -> TaskRequest:
        task = self._spec.task(entry.task)
        scope = self._rendering.staged_scope(entry)
        delay = _whole(evaluate(task.delay, scope), "The value of task delay is not type of integer.")
        return TaskRequest(
            task=entry.task,
            route=entry.route,
            action=evaluate(task.action, scope),
            input=evaluate(dict(task.input), scope),
            delay=delay if entry.retry_delay is None else entry.retry_delay,
        )

    def _update(self, task: str, route: int, status: str, result: Any) -> None:
        run = self._run_for(task, route, status)
        self.state.unstage(task, route)
        if status == statuses.FAILED:
            self._log("Execution failed. See result for details.", task_id=task, result=result)
        before = run.status
        if before not in statuses.COMPLETED:  # two ways may start one run; the first end of it counts
            run.status = status
        if run.status in statuses.COMPLETED and self._retries(run, result):
            return
        if run.status in statuses.COMPLETED and run.status != before:
            self._settle(run, result)
        if self.status in statuses.COMPLETED:
            run.terminal = True

    def _run_for(self, task: str, route: int, status: str) -> Run:
        staged = self.state.staged_of(task, route)
        run = self.state.run_of(task, route)
        again = run is not None and run.status in statuses.COMPLETED and status not in statuses.COMPLETED
        if run is not None and not again and task not in COMMANDS:
            return run
        if staged is None:
            raise LookupError(f'Task "{task}" is not staged or has not started yet.')
        return self.state.add_run(self._with_retry(Run(task, staged.route, staged.contexts, staged.previous)))

    def _with_retry(self, run: Run) -> Run:
        retry = self._graph.retry_of(run.task)
        if retry is not None:
            scope = self._rendering.plain_scope(run.contexts)
            wrong = 'The retry {} for task "{}" is not an integer.'
            run.retries_left = _whole(evaluate(retry.count, scope), wrong.format("count", run.task))
            run.retry_delay = _whole(evaluate(retry.delay, scope), wrong.format("delay", run.task))
        return run

    def _retries(self, run: Run, result: Any) -> bool:
        retry = self._graph.retry_of(run.task)
        if retry is None or not run.retries_left or self.status not in statuses.ACTIVE:
            return False
        wanted = run.status in statuses.ABENDED
        if retry.when is not None:
            wanted = bool(evaluate(retry.when, self._rendering.ended_scope(run, result)))
        if wanted:
            run.status = statuses.RETRYING
            run.retries_left -= 1
            again = Staged(run.task, run.route, run.contexts, run.previous, retry_delay=run.retry_delay)
            self.state.staged.append(again)
        return wanted

    def _settle(self, run: Run, result: Any) -> None:
        """Take every transition whose condition holds, then tell the workflow, then obey the commands among them."""
        edges = self._graph.outbound.get(run.task, [])
        run.terminal = run.terminal or not edges
        scope = self._rendering.ended_scope(run, result)
        staged = [entry for edge in edges if (entry := self._follow(run, edge, scope)) is not None]
        commands = [entry for entry in staged if entry.task in COMMANDS]
        if any(entry.task == "fail" for entry in commands):
            for entry in staged:
                entry.on_failure = entry.ready and entry.task not in COMMANDS
        self._task_changed(run)
        for entry in commands:
            self._update(entry.task, entry.route, COMMAND_STATUS[entry.task], None)

    def _follow(self, run: Run, edge: Edge, scope: Scope) -> Staged | None:
        try:
            run.next[edge.id] = edge.when is None or bool(evaluate(edge.when, scope))
        except ExpressionError as error:
            self._refuse([error], run.task, run.route, edge.id)
            return None
        if not run.next[edge.id]:
            return None
        published, errors = self._rendering.published(run, edge, scope)
        if errors:
            self._refuse(errors, run.task, run.route, edge.id)
            return None
        contexts = list(run.contexts)
        if published:
            self.state.contexts.append(published)
            contexts.append(len(self.state.contexts) - 1)
        return self._ways.stage(run, edge, contexts)

    def _task_changed(self, run: Run) -> None:
        """Move the workflow as the end of a task asks for: a failure that some transition leads on from is remedied."""
        leads_on = self._ways.lead_on(run, joins_count=False)
        remedied = leads_on or self._ways.lead_on(run, joins_count=True)
        active = self.state.any_run(statuses.ACTIVE)
        if run.status in statuses.ABENDED and not remedied:
            self._move(statuses.FAILED)
        elif run.status == statuses.CANCELED or self.state.any_run(_CANCEL):
            self._move(statuses.CANCELING if active else statuses.CANCELED)
        elif not self.state.ready and not leads_on and not active:
            self._move(statuses.SUCCEEDED)

    def _move(self, status: str) -> None:
        """Change the workflow's status; one that has ended stays as it is. A join left half satisfied fails it."""
        if self.status in statuses.COMPLETED:
            return
        self.state.status = status
        for entry in self._ways.lost_joins() if status in statuses.COMPLETED else ():
            self.state.status = statuses.FAILED
            text = f'The join task|route "{entry.task}|{entry.route}" is partially satisfied but unreachable.'
            self._log(f"UnreachableJoinError: {text}", task_id=entry.task, route=entry.route)

    def _refuse(self, errors: list[ExpressionError], *where: Any) -> None:
        for error in errors:
            self._log_error(error, *where)
        self._fail()

    def _fail(self) -> None:
        if self.status not in statuses.COMPLETED or self.status == statuses.SUCCEEDED:
            self.state.status = statuses.FAILED

    def _log_error(
        self, error: Exception, task: str | None = None, route: int | None = None, edge: str | None = None
    ) -> None:
        self._log(f"{type(error).__name__}: {error}", task_id=task, route=route, task_transition_id=edge)

    def _log(self, message: str, **facts: Any) -> None:
        """Add to the errors that the execution shows; each one once."""
        entry = {"type": "error", "message": message} | {name: fact for name, fact in facts.items() if fact is not None}
        if entry not in self.errors:
            self.errors.append(entry)


def _whole(value: Any, otherwise: str) -> int:
    if value is None:
        return 0
    if not isinstance(value, int):
        raise TypeError(otherwise)
    return value
