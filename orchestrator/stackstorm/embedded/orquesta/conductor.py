"""The conductor: told what became of each task, it decides what runs next and how the workflow ends. No I/O."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate
from orchestrator.stackstorm.embedded.orquesta.graph import Edge, Graph
from orchestrator.stackstorm.embedded.orquesta.scope import CurrentTask, ExpressionError, Scope
from orchestrator.stackstorm.embedded.orquesta.spec import COMMANDS
from orchestrator.stackstorm.embedded.orquesta.state import Run, Staged, State, merge

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
        self.graph = Graph(spec)
        self.state = State()
        self.errors: list[dict[str, Any]] = []
        self.output: dict[str, Any] | None = None
        self._spec = spec
        first = self._first_context(copy.deepcopy(dict(context)), inputs)
        if self.errors:
            self.state.status = statuses.FAILED
            return
        self.state.contexts.append(first)
        self.state.routes.append([])
        self.state.staged.extend(Staged(name, 0, [0]) for name in self.graph.roots)

    @property
    def status(self) -> str:
        """The workflow's status."""
        return self.state.status

    def start(self) -> None:
        """Begin: the workflow is running, unless its inputs already failed it."""
        if self.state.status == statuses.UNSET:
            self.state.status = statuses.RUNNING

    def next_tasks(self) -> list[TaskRequest]:
        """Give the tasks to run now, by name and route; an input that cannot be rendered fails the workflow."""
        ready = self.state.ready
        if self.status == statuses.FAILED:
            ready = [entry for entry in ready if entry.on_failure]
        elif self.status not in statuses.ADVANCING:
            return []
        requests: list[TaskRequest] = []
        failed = False
        for entry in ready:
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
        context = self._terminal_context()
        rendered: dict[str, Any] = {}
        failed = False
        for name, value in self._spec.output:
            try:
                rendered[name] = context[name] = evaluate(value, self._scope(context))
            except ExpressionError as error:
                failed = True
                self._log_error(error)
        self.output = rendered or None
        if failed and self.status != statuses.CANCELED:
            self.state.status = statuses.FAILED

    # What a task gets

    def _first_context(self, context: dict[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
        for name, default in self._spec.input:
            self._publish(context, name, inputs.get(name, default))
        for name, value in self._spec.vars:
            self._publish(context, name, value)
        return context

    def _publish(self, context: dict[str, Any], name: str, value: Any) -> None:
        try:
            merge(context, {name: evaluate(value, Scope(context))})
        except ExpressionError as error:
            self._log_error(error)

    def _request(self, entry: Staged) -> TaskRequest:
        task = self._spec.task(entry.task)
        context = copy.deepcopy(self.state.context(entry.contexts))
        scope = self._scope(context, CurrentTask(entry.task, entry.route))
        delay = _whole(evaluate(task.delay, scope), "The value of task delay is not type of integer.")
        return TaskRequest(
            task=entry.task,
            route=entry.route,
            action=evaluate(task.action, scope),
            input=evaluate(dict(task.input), scope),
            delay=delay if entry.retry_delay is None else entry.retry_delay,
        )

    def _scope(self, context: dict[str, Any], task: CurrentTask | None = None) -> Scope:
        route = task.route if task else 0

        def status_of(name: str, asked: int | None) -> str:
            return self.state.status_of(name, route if asked is None else asked)

        return Scope(context, task, None, status_of)

    # What became of a task

    def _update(self, task: str, route: int, status: str, result: Any) -> None:
        run = self._run_for(task, route, status)
        self.state.unstage(task, route)
        if status == statuses.FAILED:
            self._log("Execution failed. See result for details.", task_id=task, result=result)
        before, run.status = run.status, status
        if status in statuses.COMPLETED and status != before:
            if self._retries(run, result):
                return
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
        retry = self.graph.retry_of(run.task)
        if retry is not None:
            scope = self._scope(copy.deepcopy(self.state.context(run.contexts)))
            run.retries_left = _whole(
                evaluate(retry.count, scope), f'The retry count for task "{run.task}" is not an integer.'
            )
            run.retry_delay = _whole(
                evaluate(retry.delay, scope), f'The retry delay for task "{run.task}" is not an integer.'
            )
        return run

    def _retries(self, run: Run, result: Any) -> bool:
        retry = self.graph.retry_of(run.task)
        if retry is None or not run.retries_left or self.status not in statuses.ACTIVE:
            return False
        wanted = run.status in statuses.ABENDED
        if retry.when is not None:
            wanted = bool(evaluate(retry.when, self._task_scope(run, result)))
        if wanted:
            run.status = statuses.RETRYING
            run.retries_left -= 1
            self.state.staged.append(
                Staged(run.task, run.route, run.contexts, run.previous, retry_delay=run.retry_delay)
            )
        return wanted

    def _task_scope(self, run: Run, result: Any) -> Scope:
        context = copy.deepcopy(self.state.context(run.contexts))
        return self._scope(context, CurrentTask(run.task, run.route, result))

    def _settle(self, run: Run, result: Any) -> None:
        """Take every transition whose condition holds, then tell the workflow, then obey the commands among them."""
        edges = self.graph.outbound.get(run.task, [])
        run.terminal = run.terminal or not edges
        scope = self._task_scope(run, result)
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
            self._refuse(run, edge, [error])
            return None
        if not run.next[edge.id]:
            return None
        published, errors = self._published(run, edge, scope)
        if errors:
            self._refuse(run, edge, errors)
            return None
        contexts = list(run.contexts)
        if published:
            self.state.contexts.append(published)
            contexts.append(len(self.state.contexts) - 1)
        return self._stage(run, edge, contexts)

    def _refuse(self, run: Run, edge: Edge, errors: list[ExpressionError]) -> None:
        for error in errors:
            self._log_error(error, run.task, run.route, edge.id)
        self._fail()

    def _published(self, run: Run, edge: Edge, scope: Scope) -> tuple[dict[str, Any], list[ExpressionError]]:
        rolling = dict(scope.variables)
        published: dict[str, Any] = {}
        errors: list[ExpressionError] = []
        for name, value in self._spec.task(run.task).next[edge.index].publish:
            try:
                published[name] = rolling[name] = evaluate(value, Scope(rolling, scope.task, None, scope.status_of))
            except ExpressionError as error:
                errors.append(error)
        return published, errors

    def _stage(self, run: Run, edge: Edge, contexts: list[int]) -> Staged:
        route = self._route(edge, run.route)
        entry = self.state.staged_of(edge.target, route)
        index = self.state.latest[run.task, run.route]
        if entry is None:
            entry = Staged(edge.target, route, contexts, {edge.back_reference: index}, ready=False)
            self.state.staged.append(entry)
        else:
            contexts.remove(0)  # the first context would hide what the other branches published
            entry.contexts.extend(contexts)
            entry.previous[edge.back_reference] = index
        entry.ready = self._inbound(edge.target, run.route) is True
        return entry

    def _route(self, edge: Edge, route: int) -> int:
        if not self.graph.is_split(edge.target) or edge.target in self.graph.cyclic:
            return route
        if edge.back_reference in self.state.routes[route]:
            return route
        self.state.routes.append([*self.state.routes[route], edge.back_reference])
        return len(self.state.routes) - 1

    # What became of the workflow

    def _inbound(self, task: str, route: int) -> bool | None:
        """Tell whether enough ways led to a task: yes, no, or not yet (None)."""
        taken: dict[str, bool | None] = {}
        for edge in self.graph.inbound.get(task, ()):
            run = self.state.run_of(edge.source, route)
            if run is None:
                taken.setdefault(edge.source, None)
            else:
                taken[edge.source] = taken.get(edge.source) or run.next.get(edge.id, False)
        barrier = self.graph.barrier(task)
        needed = len(taken) if barrier == "all" else int(barrier or 1)
        if sum(way is True for way in taken.values()) >= needed:
            return True
        waiting = any(way is None for way in taken.values())
        return None if waiting and (self.state.any_run(statuses.ACTIVE) or self.state.ready) else False

    def _leads_on(self, run: Run, *, joins_count: bool) -> bool:
        for edge in self.graph.outbound.get(run.task, ()):
            if edge.target == "continue" or not run.next.get(edge.id):
                continue
            if self.graph.barrier(edge.target) is not None and not joins_count:
                if self._inbound(edge.target, run.route) is False:
                    continue
            return True
        return False

    def _task_changed(self, run: Run) -> None:
        leads_on = self._leads_on(run, joins_count=False)
        remediated = run.status in statuses.ABENDED and (leads_on or self._leads_on(run, joins_count=True))
        if run.status in statuses.ABENDED and not remediated:
            self._move(statuses.FAILED)
        elif run.status == statuses.CANCELED or self.state.any_run(_CANCEL):
            self._move(statuses.CANCELING if self.state.any_run(statuses.ACTIVE) else statuses.CANCELED)
        elif not self.state.ready and not leads_on and not self.state.any_run(statuses.ACTIVE):
            self._move(statuses.SUCCEEDED)

    def _move(self, status: str) -> None:
        """Change the workflow's status; one that has ended stays as it is. A join left half satisfied fails it."""
        if self.status in statuses.COMPLETED:
            return
        self.state.status = status
        if status not in statuses.COMPLETED:
            return
        for entry in [entry for entry in self.state.staged if not entry.ready]:
            if self.graph.barrier(entry.task) is not None and self._inbound(entry.task, entry.route) is False:
                self.state.status = statuses.FAILED
                text = f'The join task|route "{entry.task}|{entry.route}" is partially satisfied but unreachable.'
                self._log(f"UnreachableJoinError: {text}", task_id=entry.task, route=entry.route)

    def _fail(self) -> None:
        if self.status not in statuses.COMPLETED or self.status == statuses.SUCCEEDED:
            self.state.status = statuses.FAILED

    def _terminal_context(self) -> dict[str, Any]:
        ends = [run for run in self.state.runs if run.terminal]
        context: dict[str, Any] = {}
        for position, run in enumerate(ends):
            indexes = list(run.contexts)
            if position:
                indexes.remove(0)
            merge(context, self.state.context(indexes))
        return copy.deepcopy(context)

    # Errors, as the execution shows them

    def _log_error(self, error: Exception, task: str | None = None, route: int | None = None, edge: str | None = None) -> None:
        self._log(f"{type(error).__name__}: {error}", task_id=task, route=route, task_transition_id=edge)

    def _log(self, message: str, **facts: Any) -> None:
        entry = {"type": "error", "message": message} | {name: fact for name, fact in facts.items() if fact is not None}
        if entry not in self.errors:
            self.errors.append(entry)


def _whole(value: Any, otherwise: str) -> int:
    if value is None:
        return 0
    if not isinstance(value, int):
        raise TypeError(otherwise)
    return value
