"""The graph of a workflow: who leads where, which tasks join, which lie on a cycle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.orquesta.spec import Retry

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

DEFAULT_RETRY_COUNT = 3


@dataclass(frozen=True, slots=True)
class Edge:
    """One transition to one target. `index` counts its task's transitions, `key` those between the same two tasks."""

    source: str
    target: str
    index: int
    key: int
    when: str | None

    @property
    def id(self) -> str:
        """How a task's record names the transition it takes."""
        return f"{self.target}__t{self.key}"

    @property
    def back_reference(self) -> str:
        """How the target's record names where it came from."""
        return f"{self.source}__t{self.key}"


class Graph:
    """The transitions of a workflow, targets in alphabetical order, and what follows from them.

    `inbound` leaves out what can never be reached from a start: a join does not wait for it.
    """

    def __init__(self, spec: WorkflowSpec) -> None:
        self.spec = spec
        self.outbound: dict[str, list[Edge]] = {name: self._edges(name) for name in spec.tasks}
        steps = [step for task in spec.tasks.values() for step in task.next]
        self._references = Counter(target for step in steps for target in step.do if target != "retry")
        reached = set(self.roots).union(*(self._reachable(root) for root in self.roots))
        self.inbound: dict[str, list[Edge]] = {}
        for edge in (edge for name, edges in self.outbound.items() if name in reached for edge in edges):
            self.inbound.setdefault(edge.target, []).append(edge)

    def _edges(self, name: str) -> list[Edge]:
        edges: list[Edge] = []
        keys: dict[str, int] = {}
        steps = enumerate(self.spec.tasks[name].next)
        targets = dict.fromkeys((target, index) for index, step in steps for target in step.do)
        for target, index in sorted(targets, key=lambda pair: pair[0]):
            if target == "retry":
                continue
            key = keys[target] = keys.get(target, -1) + 1
            edges.append(Edge(name, target, index, key, self.spec.tasks[name].next[index].when))
        return edges

    @cached_property
    def roots(self) -> list[str]:
        """The tasks that nothing leads to: where a workflow starts."""
        return sorted(name for name in self.spec.tasks if not self._references[name])

    def retry_of(self, name: str) -> Retry | None:
        """Give a task's retry: the command `retry` among its transitions wins over its own."""
        task = self.spec.task(name)
        for step in reversed(task.next):
            if "retry" in step.do:
                return Retry(DEFAULT_RETRY_COUNT, step.when or "<% completed() %>")
        return task.retry

    def barrier(self, name: str) -> int | str | None:
        """Give how many inbound tasks a join waits for: a number, or "all"."""
        return self.spec.task(name).join

    def is_split(self, name: str) -> bool:
        """Tell whether each way that leads to a task runs it anew."""
        return self.spec.task(name).join is None and self._references[name] > 1

    @cached_property
    def cyclic(self) -> frozenset[str]:
        """The tasks that can lead back to themselves."""
        return frozenset(name for name in self.spec.tasks if name in self._reachable(name))

    def _reachable(self, start: str) -> set[str]:
        seen: set[str] = set()
        pending = [start]
        while pending:
            for edge in self.outbound.get(pending.pop(), ()):
                if edge.target not in seen:
                    seen.add(edge.target)
                    pending.append(edge.target)
        return seen
