"""What is wrong with a workflow, found without running it: the list that StackStorm's inspection gives."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.orquesta import expressions, grammar, outline, variables
from orchestrator.stackstorm.embedded.orquesta.findings import TASK, TASKS, Finding, Place
from orchestrator.stackstorm.embedded.orquesta.spec import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stackstorm.embedded.orquesta.graph import Graph
    from orchestrator.stackstorm.embedded.orquesta.outline import Body, TaskOutline
    from orchestrator.stackstorm.embedded.orquesta.spec import WorkflowSpec

# The schemas of an action's parameters, the runner's among them, by its ref; None where there is no such action.
Parameters = Callable[[str], Mapping[str, Mapping[str, Any]] | None]
ENGINE: Final = frozenset({"st2", "parent"})

_RESERVED = 'The task name "{}" is reserved with special function.'
_NO_START = (
    "Unable to identify any tasks to start the workflow. If the workflow has a loop, please add a task that serves as "
    "an entry point (or lead) into the loop."
)
_UNDEFINED = 'The task "{}" is not defined.'
_UNREACHABLE = (
    'The join task "{}" is unreachable. A join task is determined to be unreachable if there are nested forks from '
    "multi-referenced tasks that join on the said task. This is ambiguous to the workflow engine because it does not "
    "know at which level should the join occurs."
)
_NO_ACTION = "The action property is required for with items task."


def inspect(workflow: Body, parameters: Parameters | None = None, known: frozenset[str] = ENGINE) -> list[Finding]:
    """Give what is wrong, ordered by kind and place.

    `known` are the variables that the engine sets; with `parameters`, actions and what they are given are checked too.
    """
    outlines = outline.tasks(workflow)
    graph = outline.graph(outlines)
    found = [
        *_by_place(_syntax(workflow)),
        *_by_place(_semantics(outlines, graph)),
        *_by_place(_expressions(workflow, outlines)),
        *_by_place(variables.inspect(workflow, outlines, graph.roots, known)),
        *(_contents(outlines, parameters) if parameters else ()),
    ]
    return sorted(found, key=lambda finding: (finding.kind, finding.schema_path))


def inspect_inputs(spec: WorkflowSpec, parameters: Parameters) -> Iterator[Finding]:
    """Give what is wrong with the inputs of a workflow's tasks whose actions are there."""
    for task in spec.tasks.values():
        known = parameters(task.action) if task.action else None
        if task.action and known is not None:
            place = Place((TASKS, task.name), TASK).member("input")
            yield from _inputs(task.action, task.input or {}, known, place)


def _by_place(findings: Iterator[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.schema_path, finding.spec_path or ""))


def _syntax(workflow: Body) -> Iterator[Finding]:
    written_out = {**workflow}
    bodies = workflow.get(TASKS)
    if isinstance(bodies, dict):
        written_out[TASKS] = {name: _with_items(body) for name, body in bodies.items()}
    for message, spec, schema in grammar.faults(written_out):
        yield Finding("syntax", message, Place(spec, schema))


def _with_items(body: Any) -> Any:
    short = isinstance(body, dict) and isinstance(body.get("with"), str)
    return {**body, "with": {"items": body["with"]}} if short else body


def _semantics(outlines: dict[str, TaskOutline], graph: Graph) -> Iterator[Finding]:
    yield from (_of_task(name, _RESERVED) for name in outlines if name in COMMANDS)
    if outlines and not graph.roots:
        yield Finding("semantic", _NO_START, Place((TASKS,), TASK[:2]))
    yield from _undefined(outlines, graph)
    splits, sources = _visit(graph)
    for name, task in outlines.items():
        if task.joins and any(splits[name] != splits[source] for source in sources.get(name, ())):
            yield _of_task(name, _UNREACHABLE)
    for name, task in outlines.items():
        if task.body.get("with") is not None and not task.body.get("action"):
            yield _of_task(name, _NO_ACTION)


def _of_task(name: str, message: str) -> Finding:
    return Finding("semantic", message.format(name), Place((TASKS, name), TASK))


def _undefined(outlines: dict[str, TaskOutline], graph: Graph) -> Iterator[Finding]:
    """Look at the tasks that can be reached; what cannot, is not looked at."""
    pending = deque(graph.roots)
    queued = set(pending)
    while pending:
        name = pending.popleft()
        for index, step in enumerate(outlines[name].steps if name not in COMMANDS else ()):
            for target in step.targets:
                if target not in outlines and target not in COMMANDS:
                    place = Place((TASKS, name), TASK).member("next").item(index, ("items",)).member("do")
                    yield Finding("semantic", _UNDEFINED.format(target), place)
                elif target in outlines and target not in queued and target not in COMMANDS:
                    queued.add(target)
                    pending.append(target)


def _expressions(workflow: Body, outlines: dict[str, TaskOutline]) -> Iterator[Finding]:
    for name in ("vars", "input", "output"):
        yield from _broken(workflow.get(name), Place((name,), ("properties", name)))
    for name, task in outlines.items():
        place = Place((TASKS, name), TASK)
        for key in ("delay", "join", "action", "input"):
            yield from _broken(task.body.get(key), place.member(key))
        for key, members in (("with", ("items", "concurrency")), ("retry", ("when", "count", "delay"))):
            nested = task.body.get(key)
            if isinstance(nested, dict):
                for member in members:
                    yield from _broken(nested.get(member), place.member(key, member))
        for index, step in enumerate(task.steps):
            for key in ("when", "publish", "do"):
                yield from _broken(step.body.get(key), place.member("next").item(index, ("items",)).member(key))


def _broken(value: Any, place: Place) -> Iterator[Finding]:
    for problem in expressions.problems(value):
        yield Finding("expression", problem.message, place, problem.language, problem.expression)


def _contents(outlines: dict[str, TaskOutline], parameters: Parameters) -> Iterator[Finding]:
    """Check that each task's action is there and gets what it needs, and nothing that it does not know."""
    for name, task in outlines.items():
        place = Place((TASKS, name), TASK)
        action, given = task.body.get("action"), task.body.get("input") or {}
        if not isinstance(action, str) or not action or expressions.present(action):
            continue
        schemas = parameters(action) if "." in action else None
        if schemas is not None:
            yield from _inputs(action, given, schemas, place.member("input"))
        elif "." in action:
            yield Finding(
                "content", f'The action "{action}" is not registered in the database.', place.member("action")
            )
        else:
            message = f'The action reference "{action}" is not formatted correctly.'
            yield Finding("content", message, place.member("action"))


def _inputs(action: str, given: Any, schemas: Mapping[str, Mapping[str, Any]], place: Place) -> Iterator[Finding]:
    if not isinstance(given, dict):
        return
    for name in sorted(
        name
        for name, schema in schemas.items()
        if schema.get("required") and "default" not in schema and name not in given
    ):
        yield Finding("content", f'Action "{action}" is missing required input "{name}".', place)
    for name in sorted(str(name) for name in given if name not in schemas):
        where = Place((*place.spec, name), (*place.schema, "patternProperties", grammar.WORD))
        yield Finding("content", f'Action "{action}" has unexpected input "{name}".', where)


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
