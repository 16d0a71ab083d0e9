"""A workflow file read strictly: unknown keys and wrong types are refused by key and line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import expressions, inline
from orchestrator.stackstorm.embedded.orquesta.spec import Retry, Task, Transition, WithItems, WorkflowSpec

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.source import Key, Source

_WORKFLOW = frozenset({"version", "description", "name", "tags", "input", "vars", "tasks", "output"})
_TASK = frozenset({"action", "input", "with", "delay", "join", "retry", "next"})
_WITH = frozenset({"items", "concurrency"})
_ITEMS = re.compile(r"\s*((\w+,|\s)*\w+\s+in\s+)?({{.*?}}|<%.*?%>)\s*")


def workflow(source: Source) -> WorkflowSpec:
    """Read one workflow; raises ContentError."""
    return _Reader(source).read()


class _Reader:
    """Reads one file; its methods are named for the parts of the language."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self) -> WorkflowSpec:
        data = self._mapping((), self._source.data, _WORKFLOW)
        if str(data.get("version", "1.0")) not in ("1.0", "1"):
            raise self._source.error(("version",), f"expected 1.0, got {data['version']!r}")
        tasks = data.get("tasks")
        if not isinstance(tasks, dict) or not tasks:
            raise self._source.error(("tasks",), "expected at least one task")
        return WorkflowSpec(
            tasks={name: self._task(name, body) for name, body in tasks.items()},
            input=self._pairs(("input",), data.get("input"), bare=True),
            vars=self._pairs(("vars",), data.get("vars")),
            output=self._pairs(("output",), data.get("output")),
            description=str(data.get("description", "")),
        )

    def _mapping(self, key: Key, value: Any, allowed: frozenset[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._source.error(key, f"expected a mapping, got {type(value).__name__}")
        for name in value:
            if name not in allowed:
                raise self._source.error((*key, name), f"expected one of {', '.join(sorted(allowed))}, got {name!r}")
        return value

    def _task(self, name: str, body: Any) -> Task:
        key: Key = ("tasks", name)
        data = self._mapping(key, body, _TASK)
        if not data:
            raise self._source.error(key, f"expected at least one of {', '.join(sorted(_TASK))}, got none")
        action, given = self._action(key, data)
        self._check(key, {**data, "action": action, "input": given}, ("action", "input", "delay"))
        items = self._items((*key, "with"), data["with"]) if "with" in data else None
        if items is not None and action is None:
            raise self._source.error((*key, "action"), "expected an action, which a task with items needs, got none")
        return Task(
            name=name,
            action=action,
            input=given,
            items=items,
            delay=self._whole_number((*key, "delay"), data.get("delay")),
            join=self._join((*key, "join"), data.get("join")),
            retry=self._retry((*key, "retry"), data["retry"]) if "retry" in data else None,
            next=self._transitions((*key, "next"), data.get("next", [])),
        )

    def _action(self, key: Key, data: dict[str, Any]) -> tuple[str | None, dict[str, Any] | str]:
        action = data.get("action")
        if action is not None and (not isinstance(action, str) or not action):
            raise self._source.error((*key, "action"), f"expected the ref of an action, got {action!r}")
        given = data.get("input", {})
        if "input" in data and (not isinstance(given, dict | str) or not given):
            expected = "expected a mapping of at least one parameter, or an expression that gives one"
            raise self._source.error((*key, "input"), f"{expected}, got {given!r}")
        short = dict(inline.parameters(action)) if action else {}
        return (action.split(" ", 1)[0], short) if action and short else (action, given)

    def _items(self, key: Key, value: Any) -> WithItems:
        data = {"items": value} if isinstance(value, str) else self._mapping(key, value, _WITH)
        where: Key = key if isinstance(value, str) else (*key, "items")
        text = data.get("items")
        if not isinstance(text, str) or not _ITEMS.fullmatch(text):
            expected = "expected an expression that gives a list, with names before it or not: x, y in <% ctx(pairs) %>"
            raise self._source.error(where, f"{expected}; got {text!r}")
        self._check(key, data, ("items", "concurrency"))
        names, named, expression = text.partition(" in ")
        return WithItems(
            (expression if named else text).strip(),
            tuple(names.replace(" ", "").split(",")) if named else (),
            self._whole_number((*key, "concurrency"), data.get("concurrency")),
        )

    def _join(self, key: Key, value: Any) -> int | str | None:
        if value is None or value == "all":
            return value  # type: ignore[no-any-return]  # None or "all"
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise self._source.error(key, f"expected all or a number of tasks, got {value!r}")

    def _retry(self, key: Key, value: Any) -> Retry:
        data = self._mapping(key, value, frozenset({"when", "count", "delay"}))
        if "count" not in data:
            raise self._source.error(key, "expected count, got none")
        self._check(key, data, ("when", "count", "delay"))
        count = self._whole_number((*key, "count"), data["count"])
        return Retry(
            count if count is not None else 0, data.get("when"), self._whole_number((*key, "delay"), data.get("delay"))
        )

    def _whole_number(self, key: Key, value: Any) -> int | str | None:
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if value is None or whole or (isinstance(value, str) and value):
            return value  # type: ignore[no-any-return]  # the line above tells that it is one of the three
        raise self._source.error(key, f"expected a whole number or an expression, got {value!r}")

    def _transitions(self, key: Key, value: Any) -> tuple[Transition, ...]:
        if not isinstance(value, list):
            raise self._source.error(key, f"expected a list of transitions, got {type(value).__name__}")
        return tuple(self._transition((*key, index), step) for index, step in enumerate(value))

    def _transition(self, key: Key, value: Any) -> Transition:
        data = self._mapping(key, value, frozenset({"when", "publish", "do"}))
        self._check(key, data, ("when",))
        when = data.get("when")
        if when is not None and (not isinstance(when, str) or not when):
            raise self._source.error((*key, "when"), f"expected an expression, got {when!r}")
        published = data.get("publish")
        if isinstance(published, str):
            published = [{name: given} for name, given in inline.parameters(published)]
        return Transition(when, self._pairs((*key, "publish"), published), self._targets((*key, "do"), data.get("do")))

    def _targets(self, key: Key, value: Any) -> tuple[str, ...]:
        if value is None:
            return ("continue",)
        names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
            raise self._source.error(key, f"expected a task or a list of tasks, got {value!r}")
        return tuple(names)

    def _pairs(self, key: Key, value: Any, *, bare: bool = False) -> tuple[tuple[str, Any], ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._source.error(key, f"expected a list of one-key mappings, got {type(value).__name__}")
        return tuple(self._pair((*key, index), entry, bare=bare) for index, entry in enumerate(value))

    def _pair(self, key: Key, entry: Any, *, bare: bool) -> tuple[str, Any]:
        if bare and isinstance(entry, str) and entry:
            return entry, None
        if not isinstance(entry, dict) or len(entry) != 1:
            raise self._source.error(key, f"expected one name with its value, got {entry!r}")
        ((name, value),) = entry.items()
        for problem in expressions.problems(value):
            raise self._source.error((*key, name), str(problem))
        return name, value

    def _check(self, key: Key, data: dict[str, Any], names: tuple[str, ...]) -> None:
        for name in names:
            for problem in expressions.problems(data.get(name)):
                raise self._source.error((*key, name), str(problem))
