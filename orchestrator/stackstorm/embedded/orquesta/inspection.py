"""What a workflow may get wrong as a whole: reserved names, no start, undefined tasks, joins nothing leads to."""

from __future__ import annotations

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
    splits = _splits(graph)
    for name, task in spec.tasks.items():
        if task.join is None or name not in graph.inbound:
            continue
        sources = {edge.source for edge in graph.inbound[name]}
        if any(splits.get(name, frozenset()) != splits.get(source, frozenset()) for source in sources):
            yield ("tasks", name, "join"), _AMBIGUOUS


def _splits(graph: Graph) -> dict[str, frozenset[str]]:
    """Give, for each task, the split tasks that lie on some way to it (itself included)."""
    own = {
        name: frozenset({name}) if graph.is_split(name) and name not in graph.cyclic else frozenset[str]()
        for name in graph.spec.tasks
    }
    found = dict(own)
    changed = True
    while changed:
        changed = False
        for edges in graph.outbound.values():
            for edge in edges:
                if edge.target not in found:
                    continue
                more = found[edge.target] | found[edge.source]
                changed = changed or more != found[edge.target]
                found[edge.target] = more
    return found
