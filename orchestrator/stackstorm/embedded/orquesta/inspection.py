"""What a workflow may get wrong as a whole: reserved names, no start, undefined tasks, joins nothing leads to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.orquesta.graph import Graph
from orchestrator.stackstorm.embedded.orquesta.spec import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

Finding = tuple[tuple[str | int, ...], str]
_AMBIGUOUS = (
    "expected every way here to share its splits; a task that several ways run anew leads to this join, "
    "so that nobody can tell at which level to wait"
)


def inspect(spec: WorkflowSpec) -> Iterator[Finding]:
    """Give each finding as (key path, what was expected)."""
    yield from _reserved(spec)
    yield from _undefined(spec)
    graph = Graph(spec)
    if not graph.roots:
        yield ("tasks",), "expected a task that no other leads to, where the workflow starts, got only loops"
    yield from _joins(spec, graph)


def _reserved(spec: WorkflowSpec) -> Iterator[Finding]:
    for name in spec.tasks:
        if name in COMMANDS:
            yield ("tasks", name), f"expected a name other than {', '.join(COMMANDS)}, which are commands"


def _undefined(spec: WorkflowSpec) -> Iterator[Finding]:
    for name, task in spec.tasks.items():
        for index, step in enumerate(task.next):
            for target in step.do:
                if target not in spec.tasks and target not in COMMANDS:
                    yield ("tasks", name, "next", index, "do"), f"expected a task of this workflow, got {target!r}"


def _joins(spec: WorkflowSpec, graph: Graph) -> Iterator[Finding]:
    splits, sources = _visit(graph)
    for name, task in spec.tasks.items():
        if task.join is not None and any(splits[name] != splits[source] for source in sources.get(name, ())):
            yield ("tasks", name, "join"), _AMBIGUOUS


def _visit(graph: Graph) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Walk from the starts: the split tasks on the ways to each task (itself included), and where it was come from.

    A task on a cycle is entered once, as the real inspection does it: its later ways are not looked at.
    """
    splits: dict[str, set[str]] = {}
    sources: dict[str, set[str]] = {}
    followed: dict[tuple[str, str], frozenset[str]] = {}
    pending: deque[tuple[str | None, str, frozenset[str]]] = deque((None, root, frozenset()) for root in graph.roots)
    while pending:
        source, task, way = pending.popleft()
        if graph.is_split(task) and task not in graph.cyclic:
            way |= {task}
        splits.setdefault(task, set()).update(way)
        if source is not None:
            sources.setdefault(task, set()).add(source)
        for target in [edge.target for edge in graph.outbound[task] if edge.target in graph.spec.tasks]:
            known = followed.get((task, target))
            entered = target in splits and target in graph.cyclic
            if not entered and (known is None or not way <= known):
                followed[task, target] = (known or frozenset()) | way
                pending.append((task, target, way))
    return splits, sources
