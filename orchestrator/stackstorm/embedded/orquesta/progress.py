"""What follows from the change of a task: its status, a retry, what its transitions lead to, the workflow's status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.orquesta import changes, statuses
from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate
from orchestrator.stackstorm.embedded.orquesta.refusals import InvalidTaskStateEntry
from orchestrator.stackstorm.embedded.orquesta.requests import whole
from orchestrator.stackstorm.embedded.orquesta.scope import ExpressionError, Scope
from orchestrator.stackstorm.embedded.orquesta.spec import COMMANDS
from orchestrator.stackstorm.embedded.orquesta.state import Run, Staged, State, copied
from orchestrator.stackstorm.embedded.orquesta.ways import Ways

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.orquesta.error_log import ErrorLog
    from orchestrator.stackstorm.embedded.orquesta.graph import Edge, Graph
    from orchestrator.stackstorm.embedded.orquesta.rendering import Rendering

COMMAND_STATUS: Final = {"continue": statuses.SUCCEEDED, "noop": statuses.SUCCEEDED, "fail": statuses.FAILED}
_PAUSED: Final = statuses.WAITING | {statuses.PAUSING}


@dataclass(frozen=True, slots=True)
class Event:
    """What became of an action: its status and result, and for which item of its task it runs."""

    status: str
    result: Any = None
    item: int | None = None


class Progress:
    """Moves a workflow's state on."""

    def __init__(self, graph: Graph, state: State, rendering: Rendering, log: ErrorLog) -> None:
        self._graph = graph
        self._state = state
        self._rendering = rendering
        self._log = log
        self._ways = Ways(graph, state)

    def update(self, task: str, route: int, event: Event) -> None:
        """Take note of an action; raises InvalidTaskStateEntry, and ExpressionError or ValueError of a retry."""
        staged = self._state.staged_of(task, route)
        run = self._run_for(task, route, staged, event.status)
        if staged is not None and staged.items is None:
            self._state.unstage(task, route)
        if event.status == statuses.FAILED:
            self._log.note("Execution failed. See result for details.", task_id=task, result=event.result)
        before = run.status
        run.status = self._task_status(run, staged, event) or before
        commands = self._ended(run, before, event) if run.status in statuses.COMPLETED else []
        self._task_changed(run)
        for entry in commands:
            self.update(entry.task, entry.route, Event(COMMAND_STATUS[entry.task]))
        if self._state.status in statuses.COMPLETED:
            run.terminal = True

    def fail(self) -> None:
        """Fail the workflow, unless it was canceled."""
        self._state.status = self._asked(statuses.FAILED) or self._state.status

    def ask(self, asked: str) -> bool:
        """Move the workflow and its tasks as somebody asks; tells whether that is allowed."""
        after = self._asked(asked)
        if after is None and asked != self._state.status:
            return False
        for run in list(self._state.current()):
            entry = self._state.staged_of(run.task, run.route)
            if run.status == statuses.RUNNING and entry is not None and entry.items is not None:
                run.status = changes.task_with_items_asked(asked, entry.items) or run.status
        self._state.status = self._asked(asked) or self._state.status
        return True

    def new_run(self, task: str, route: int, contexts: list[int], previous: dict[str, int]) -> Run:
        """Begin a run of a task; raises what `retry_of` does."""
        run = Run(task, route, list(contexts), dict(previous))
        run.retries_left, run.retry_delay = self.retry_of(task, contexts)
        return self._state.add_run(run)

    def retry_of(self, task: str, contexts: list[int]) -> tuple[int | None, int]:
        """Give how often a task may be retried, and after how many seconds; raises ExpressionError, ValueError."""
        retry = self._graph.retry_of(task)
        if retry is None:
            return None, 0
        scope = self._rendering.plain_scope(contexts)
        wrong = f'The retry {{}} for task "{task}" is not an integer.'
        delay = whole(retry.delay, scope, ValueError(wrong.format("delay")))
        return whole(retry.count, scope, ValueError(wrong.format("count"))), delay

    def _asked(self, asked: str) -> str | None:
        active = self._state.any_run(statuses.ACTIVE)
        over = not active and not self._state.ready and not self._state.any_run(statuses.WAITING)
        return changes.workflow_asked(self._state.status, asked, active=active, over=over)

    def _run_for(self, task: str, route: int, staged: Staged | None, status: str) -> Run:
        run = self._state.run_of(task, route)
        again = run is not None and run.status in statuses.COMPLETED and status in statuses.STARTING
        if run is not None and not again and task not in COMMANDS:
            return run
        if staged is None:
            raise InvalidTaskStateEntry(task)
        begun = self.new_run(task, staged.route, staged.contexts, staged.previous)
        if run is not None and run.open:
            begun.results = list(run.results)
        return begun

    def _task_status(self, run: Run, staged: Staged | None, event: Event) -> str | None:
        if event.item is None:
            return changes.task(run.status, event.status)
        if staged is None or staged.items is None:  # its task was begun anew, and has ended meanwhile
            raise InvalidTaskStateEntry(run.task)
        staged.items[event.item] = event.status
        if len(run.results) != len(staged.items):
            run.results = [None] * len(staged.items)
        run.results[event.item] = copied(event.result)
        run.open = not statuses.COMPLETED.issuperset(staged.items)
        others = [status for index, status in enumerate(staged.items) if index != event.item]
        return changes.task_with_items(run.status, event.status, others)

    def _ended(self, run: Run, before: str, event: Event) -> list[Staged]:
        """Retry the task, or take its transitions; answers the commands to obey once the workflow knows of the end."""
        with_items = self._graph.spec.task(run.task).items is not None
        staged = self._state.staged_of(run.task, run.route)
        if with_items and run.status in statuses.ABENDED and staged is not None:
            staged.over = True
        else:
            self._state.unstage(run.task, run.route)
        scope = self._rendering.ended_scope(run, run.results if with_items else event.result)
        if self._wants_retry(run, scope):
            self._retry(run)
            return []
        return self._settle(run, scope) if run.status != before else []

    def _wants_retry(self, run: Run, scope: Scope) -> bool:
        retry = self._graph.retry_of(run.task)
        if retry is None or not run.retries_left or run.retries_left < 0:
            return False
        if self._state.status not in statuses.ACTIVE or run.status == statuses.CANCELED:
            return False
        if retry.when is None:
            return run.status in statuses.ABENDED
        return bool(evaluate(retry.when, scope))

    def _retry(self, run: Run) -> None:
        run.status = statuses.RETRYING
        run.retries_left = (run.retries_left or 0) - 1
        run.results = run.results if run.open else []
        self._state.unstage(run.task, run.route)
        again = Staged(run.task, run.route, list(run.contexts), dict(run.previous), retry_delay=run.retry_delay)
        self._state.staged.append(again)

    def _settle(self, run: Run, scope: Scope) -> list[Staged]:
        """Take every transition whose condition holds."""
        edges = self._graph.outbound.get(run.task, [])
        run.terminal = run.terminal or not edges
        staged = [entry for edge in edges if (entry := self._follow(run, edge, scope)) is not None]
        commands = [entry for entry in staged if entry.task in COMMANDS]
        if any(entry.task == "fail" for entry in commands):
            for entry in staged:
                entry.on_failure = entry.ready and entry.task not in COMMANDS
        return commands

    def _follow(self, run: Run, edge: Edge, scope: Scope) -> Staged | None:
        try:
            run.next[edge.id] = edge.when is None or bool(evaluate(edge.when, scope))
        except ExpressionError as error:
            self._refuse([error], run, edge)
            return None
        if not run.next[edge.id]:
            return None
        published, errors = self._rendering.published(run, edge, scope)
        if errors:
            self._refuse(errors, run, edge)
            return None
        contexts = list(run.contexts)
        if published:
            self._state.contexts.append(published)
            contexts.append(len(self._state.contexts) - 1)
        return self._ways.stage(run, edge, contexts)

    def _refuse(self, errors: list[ExpressionError], run: Run, edge: Edge) -> None:
        for error in errors:
            self._log.failure(error, run.task, run.route, edge.id)
        self.fail()

    def _task_changed(self, run: Run) -> None:
        """Move the workflow as the change of a task asks for. A join left half satisfied fails it."""
        state = self._state
        leads_on = self._ways.lead_on(run, joins_count=False)
        remedied = run.status in statuses.ABENDED and (leads_on or self._ways.lead_on(run, joins_count=True))
        around = changes.Around(
            active=state.any_run(statuses.ACTIVE),
            canceled=state.any_run(statuses.CANCEL),
            paused=state.any_run(_PAUSED),
            more=bool(state.ready) or leads_on,
        )
        after = changes.workflow(state.status, run.status, around, remedied=remedied)
        if after is None:
            return
        state.status = after
        for entry in self._ways.lost_joins() if after in statuses.COMPLETED else ():
            state.status = statuses.FAILED
            text = f'The join task|route "{entry.task}|{entry.route}" is partially satisfied but unreachable.'
            self._log.note(f"UnreachableJoinError: {text}", task_id=entry.task, route=entry.route)
