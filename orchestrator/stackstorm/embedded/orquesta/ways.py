"""The ways between tasks: which tasks are staged, whether a join has enough of its ways, on which route a task runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.state import Run, Staged, State

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.orquesta.graph import Edge, Graph


class Ways:
    """What the graph and the state together tell."""

    def __init__(self, graph: Graph, state: State) -> None:
        self._graph = graph
        self._state = state

    def stage(self, run: Run, edge: Edge, contexts: list[int]) -> Staged:
        """Stage the task that a transition leads to, ready or not; a join gathers the contexts of all its ways."""
        route = self._route(edge, run.route)
        entry = self._state.staged_of(edge.target, route)
        index = self._state.latest[run.task, run.route]
        if entry is None:
            entry = Staged(edge.target, route, contexts, {edge.back_reference: index}, ready=False)
            self._state.staged.append(entry)
        else:
            contexts.remove(0)  # the first context would hide what the other branches published
            entry.contexts.extend(contexts)
            entry.previous[edge.back_reference] = index
            entry.items, entry.over = None, False  # one more way into a task with items runs them all anew
        entry.ready = self.enough(edge.target, run.route) is True
        return entry

    def enough(self, task: str, route: int) -> bool | None:
        """Tell whether enough ways led to a task: yes, no, or not yet (None)."""
        taken: dict[str, bool | None] = {}
        for edge in self._graph.inbound.get(task, ()):
            run = self._state.run_of(edge.source, route)
            if run is None:
                taken.setdefault(edge.source, None)
            else:
                taken[edge.source] = taken.get(edge.source) or run.next.get(edge.id, False)
        barrier = self._graph.barrier(task)
        needed = len(taken) if barrier == "all" else int(barrier or 1)
        if sum(way is True for way in taken.values()) >= needed:
            return True
        waiting = any(way is None for way in taken.values())
        return None if waiting and (self._state.any_run(statuses.ACTIVE) or self._state.ready) else False

    def lead_on(self, run: Run, *, joins_count: bool) -> bool:
        """Tell whether some taken transition leads to a task; one to a lost join counts only when asked."""
        return run.status in statuses.COMPLETED and any(
            edge.target != "continue"
            and run.next.get(edge.id, False)
            and (joins_count or not self._is_lost_join(edge.target, run.route))
            for edge in self._graph.outbound.get(run.task, ())
        )

    def lost_joins(self) -> list[Staged]:
        """Give the joins that some way led to and that can no longer be reached."""
        return [
            entry
            for entry in self._state.staged
            if not entry.ready and self._graph.barrier(entry.task) and self.enough(entry.task, entry.route) is False
        ]

    def _is_lost_join(self, task: str, route: int) -> bool:
        return self._graph.barrier(task) is not None and self.enough(task, route) is False

    def _route(self, edge: Edge, route: int) -> int:
        """Give the route on which a transition's target runs: a new one for each way into a split."""
        routes = self._state.routes
        if not self._graph.is_split(edge.target) or edge.target in self._graph.cyclic:
            return route
        if edge.back_reference in routes[route]:
            return route
        routes.append([*routes[route], edge.back_reference])
        return len(routes) - 1
