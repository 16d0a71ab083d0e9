"""What expressions make of a workflow's contexts: the first context, requests, published variables, the output."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta.expressions import evaluate
from orchestrator.stackstorm.embedded.orquesta.scope import CurrentTask, ExpressionError, Scope
from orchestrator.stackstorm.embedded.orquesta.state import Run, Staged, State, copied, merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from orchestrator.stackstorm.embedded.orquesta.graph import Edge
    from orchestrator.stackstorm.embedded.orquesta.scope import Outside
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

Errors = list[ExpressionError]


class Rendering:
    """Evaluates the expressions of one workflow in its state."""

    def __init__(self, spec: WorkflowSpec, state: State, outside: Outside) -> None:
        self.state = state
        self._spec = spec
        self._outside = outside

    def first_context(self, given: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[dict[str, Any], Errors]:
        """Give the context that every task starts from: what the engine gives, the inputs, the vars."""
        context = copied(dict(given))
        errors: Errors = []
        pairs = [(name, inputs.get(name, default)) for name, default in self._spec.input]
        for part in (pairs, self._spec.vars):
            rendered, failures = _rolling(part, Scope(copied(context), outside=self._outside))
            merge(context, rendered)
            errors.extend(failures)
        return context, errors

    def staged_scope(self, entry: Staged) -> Scope:
        """Give what the input of a task that is about to run may see."""
        return self._scope(entry.contexts, CurrentTask(entry.task, entry.route))

    def ended_scope(self, run: Run, result: Any) -> Scope:
        """Give what the transitions and the retry of a task that has ended may see."""
        return self._scope(run.contexts, CurrentTask(run.task, run.route, result))

    def plain_scope(self, contexts: list[int]) -> Scope:
        """Give what the count and the delay of a retry may see: the context, and no status of any task."""
        return Scope(copied(self.state.context(contexts)), outside=self._outside)

    def published(self, run: Run, edge: Edge, scope: Scope) -> tuple[dict[str, Any], Errors]:
        """Give what a transition publishes, each variable seeing those before it."""
        pairs = self._spec.task(run.task).next[edge.index].publish
        return _rolling(pairs, replace(scope, variables=dict(scope.variables)))

    def output(self) -> tuple[dict[str, Any], Errors]:
        """Give the workflow's output, from the contexts of the tasks it ended with."""
        return _rolling(self._spec.output, Scope(self._last_context(), None, None, self._status_of(0), self._outside))

    def _last_context(self) -> dict[str, Any]:
        context: dict[str, Any] = {}
        for position, run in enumerate(run for run in self.state.runs if run.terminal):
            indexes = list(run.contexts)
            if position:
                indexes.remove(0)
            self.state.merge(context, self.state.context(indexes))
        return dict(copied(context))

    def _scope(self, contexts: list[int], task: CurrentTask) -> Scope:
        return Scope(copied(self.state.context(contexts)), task, None, self._status_of(task.route), self._outside)

    def _status_of(self, current: int) -> Callable[[str, int | None], str]:
        def status_of(task: str, route: int | None) -> str:
            return self.state.status_of(task, current if route is None else route)

        return status_of


def _rolling(pairs: Iterable[tuple[str, Any]], scope: Scope) -> tuple[dict[str, Any], Errors]:
    """Evaluate one after the other, each seeing those before it; `scope` is this function's own."""
    variables = dict(scope.variables)
    scope = replace(scope, variables=variables)
    rendered: dict[str, Any] = {}
    errors: Errors = []
    for name, value in pairs:
        try:
            rendered[name] = variables[name] = copied(evaluate(value, scope))
        except ExpressionError as error:
            errors.append(error)
    return rendered, errors
