"""Which variables the expressions of a workflow ask for, and whether anything on the way has set them."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.orquesta import expressions, inline
from orchestrator.stackstorm.embedded.orquesta.findings import TASK, TASKS, Finding, Place
from orchestrator.stackstorm.embedded.orquesta.spec import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.stackstorm.embedded.orquesta.outline import Body, TaskOutline

_NAME = r"[a-zA-Z0-9_-]+"
# All that may belong to a reference to the context, which has at least one closing bracket.
_REFERENCE: Final = re.compile(r"""\bctx\([][a-zA-Z0-9_'".()]*""")
_VARIABLES: Final = (
    re.compile(rf"(?<=\bctx\(\)\.)({_NAME})\b(?!\()"),
    re.compile(rf"\bctx\(({_NAME})\)"),
    re.compile(rf"\bctx\('({_NAME})'\)"),
    re.compile(rf'\bctx\("({_NAME})"\)'),
)
_UNSET = 'Variable "{}" is referenced before assignment.'
_PRIVATE = (
    'Variable "{}" that is prefixed with double underscores is considered a private variable and cannot be referenced.'
)
Names = frozenset[str]


def inspect(workflow: Body, outlines: dict[str, TaskOutline], roots: list[str], known: Names) -> Iterator[Finding]:
    """Give each variable that is asked for before it is set; `known` are those that the engine sets."""
    findings: list[Finding] = []
    for name in ("input", "vars"):
        known = _look(workflow.get(name), Place((name,), ("properties", name)), known, findings, sets=True)
    known |= _Walk(outlines, findings).through(roots, known)
    _look(workflow.get("output"), Place(("output",), ("properties", "output")), known, findings, sets=True)
    return iter(sorted(findings, key=lambda finding: finding.spec_path or ""))


def _look(value: Any, place: Place, known: Names, findings: list[Finding], *, sets: bool = False) -> Names:
    """Find what a value asks for, part by part; answers the names known afterwards: where `sets`, its own too."""
    if not value:
        return known
    if isinstance(value, str):
        value = [{name: member} for name, member in inline.parameters(value)] or value
    if not isinstance(value, list):
        findings += _unknown(value, place, known)
        return known | _set_by(value) if sets else known
    for index, member in enumerate(value):
        findings += _unknown(member, place.item(index), known)
        known = known | _set_by(member) if sets else known
    return known


def _set_by(value: Any) -> Names:
    names = value if isinstance(value, dict) else [value]
    return frozenset(name for name in names if isinstance(name, str))


def _unknown(value: Any, place: Place, known: Names) -> Iterator[Finding]:
    for name, language, text in sorted(set(_references(value))):
        if name.startswith("__"):
            yield Finding("context", _PRIVATE.format(name), place, language, text)
        if name not in known:
            yield Finding("context", _UNSET.format(name), place, language, text)


def _references(value: Any) -> Iterator[tuple[str, str, str]]:
    for language, expression, text in expressions.found(value):
        for reference in filter(_is_closed, _REFERENCE.findall(expression)):
            for pattern in _VARIABLES:
                match = pattern.search(reference)
                if match:
                    yield match[1], language, text


def _is_closed(reference: str) -> bool:
    return ")" in reference


class _Walk:
    """Goes from task to task with the names that are set on the way, as the real inspection does.

    A task is gone into anew for each other set of names that a way brings; a join, for each way, with all of them.
    """

    def __init__(self, outlines: dict[str, TaskOutline], findings: list[Finding]) -> None:
        self._outlines = outlines
        self._findings = findings
        self._entered: set[str] = set()
        self._brought: dict[str, Names] = {}
        self._gathered: dict[str, Names] = {}
        self._pending: deque[tuple[str, Names | None]] = deque()

    def through(self, roots: Iterable[str], known: Names) -> Names:
        """Give every name that some task sets, besides those known before."""
        self._pending.extend((root, known) for root in roots)
        everything = known
        while self._pending:
            name, names = self._pending.popleft()
            self._entered.add(name)
            names = names or self._gathered.get(name, frozenset())
            everything |= names
            if name in self._outlines and name not in COMMANDS:
                self._task(name, names)
        return everything

    def _task(self, name: str, known: Names) -> None:
        task = self._outlines[name]
        place = Place((TASKS, name), TASK)
        found: list[Finding] = []
        items = task.body.get("with")
        for key, value in (
            (("delay",), task.body.get("delay")),
            (("with", "items"), items.get("items") if isinstance(items, dict) else None),
            (("with", "concurrency"), items.get("concurrency") if isinstance(items, dict) else None),
            (("action",), task.body.get("action")),
            (("input",), task.body.get("input")),
        ):
            _look(value, place.member(*key), known, found)
        self._findings += found
        for index, step in enumerate(task.steps):
            for target in step.targets:
                self._step(place.member("next").item(index, ("items",)), step.body, target, known)

    def _step(self, place: Place, body: Body, target: str, known: Names) -> None:
        _look(body.get("when"), place.member("when"), known, self._findings)
        known = _look(body.get("publish"), place.member("publish"), known, self._findings, sets=True)
        _look(body.get("do"), place.member("do"), known, self._findings)
        if target in self._entered or (target not in self._outlines and target not in COMMANDS):
            return
        if target in self._outlines and self._outlines[target].body.get("join"):
            self._gathered[target] = self._gathered.get(target, frozenset()) | known
            self._pending.append((target, None))
        elif self._brought.get(target) != known:
            self._brought[target] = known
            self._pending.append((target, known))
