"""What expressions make of a workflow's contexts: the first context, inputs, published variables, the output."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate
from orchestrator.stackstorm.embedded.orquesta.scope import CurrentTask, ExpressionError, Scope
from orchestrator.stackstorm.embedded.orquesta.state import Run, Staged, State, merge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.stackstorm.embedded.orquesta.graph import Edge
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

Errors = list[ExpressionError]


class Rendering:
    """Evaluates the expressions of one workflow in its state."""

    def __init__(self, spec: WorkflowSpec, state: State) -> None:
        self._spec = spec
        self._state = state

    def first_context(self, given: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[dict[str, Any], Errors]:
        """Give the context that every task starts from: what the engine gives, the inputs, the vars."""
        context = copy.deepcopy(dict(given))
        errors: Errors = []
        pairs = [(name, inputs.get(name, default)) for name, default in self._spec.input]
        for name, value in (*pairs, *self._spec.vars):
            try:
                merge(context, {name: evaluate(value, Scope(context))})
            except ExpressionError as error:
                errors.append(error)
        return context, errors

    def staged_scope(self, entry: Staged) -> Scope:
        """Give what the input of a task that is about to run may see."""
        return self._scope(entry.contexts, CurrentTask(entry.task, entry.route))

    def ended_scope(self, run: Run, result: Any) -> Scope:
        """Give what the transitions and the retry of a task that has ended may see."""
        return self._scope(run.contexts, CurrentTask(run.task, run.route, result))

    def plain_scope(self, contexts: list[int]) -> Scope:
        """Give what may be seen outside of a task."""
        return self._scope(contexts, None)

    def published(self, run: Run, edge: Edge, scope: Scope) -> tuple[dict[str, Any], Errors]:
        """Give what a transition publishes, each variable seeing those before it."""
        rolling = dict(scope.variables)
        published: dict[str, Any] = {}
        errors: Errors = []
        for name, value in self._spec.task(run.task).next[edge.index].publish:
            try:
                published[name] = rolling[name] = evaluate(value, Scope(rolling, scope.task, None, scope.status_of))
            except ExpressionError as error:
                errors.append(error)
        return published, errors

    def output(self) -> tuple[dict[str, Any], Errors]:
        """Give the workflow's output, from the contexts of the tasks it ended with."""
        context = self._last_context()
        rendered: dict[str, Any] = {}
        errors: Errors = []
        for name, value in self._spec.output:
            try:
                rendered[name] = context[name] = evaluate(value, Scope(context, None, None, self._status_of(0)))
            except ExpressionError as error:
                errors.append(error)
        return rendered, errors

    def _last_context(self) -> dict[str, Any]:
        context: dict[str, Any] = {}
        for position, run in enumerate(run for run in self._state.runs if run.terminal):
            indexes = list(run.contexts)
            if position:
                indexes.remove(0)
            merge(context, self._state.context(indexes))
        return copy.deepcopy(context)

    def _scope(self, contexts: list[int], task: CurrentTask | None) -> Scope:
        context = copy.deepcopy(self._state.context(contexts))
        return Scope(context, task, None, self._status_of(task.route if task else 0))

    def _status_of(self, current: int) -> Callable[[str, int | None], str]:
        def status_of(task: str, route: int | None) -> str:
            return self._state.status_of(task, current if route is None else route)

        return status_of
