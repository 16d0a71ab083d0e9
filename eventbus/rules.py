"""Which arguments of which task are redacted: its own declaration and every pattern that matches, together."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from eventbus.declaration import KEY, DeclarationError
from eventbus.redaction import Parameters, read_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventbus.declaration import Declarations
    from eventbus.redaction import Path

_ANY_MORE = {inspect.Parameter.VAR_POSITIONAL: "args", inspect.Parameter.VAR_KEYWORD: "kwargs"}


class Rules:
    """The rules of one application; `tasks` gives its registry, by name, which may grow."""

    def __init__(self, declarations: Declarations, tasks: Callable[[], Mapping[str, Any]]) -> None:
        self._declarations = declarations
        self._registry = tasks
        self._paths: dict[str, tuple[Path, ...]] = {}
        self._any: bool | None = None

    @property
    def _tasks(self) -> Mapping[str, Any]:
        return self._registry()

    def of(self, task: str) -> tuple[Path, ...]:
        """Give the paths for a task, under both ways of passing each argument; of an unknown task, the patterns'."""
        if task not in self._paths:
            given = [read_path(each) for each in self._declared(task)]
            known = parameters_of(self._tasks.get(task))
            self._paths[task] = tuple(dict.fromkeys(way for path in given for way in known.ways(path)))
        return self._paths[task]

    def any(self) -> bool:
        """Tell whether the application redacts anything at all."""
        if self._any is None:
            self._any = self._declarations.redacting or any(self.of(task) for task in list(self._tasks))
        return self._any

    def check(self) -> None:
        """Refuse a task's own path that no call of it can have; raises DeclarationError."""
        for name, task in self._tasks.items():
            own = (getattr(task, KEY, None) or {}).get("redact", ())
            known = parameters_of(task)
            for each in own:
                if not known.has(read_path(each)):
                    raise DeclarationError(
                        f"task {name!r}: expected `redact` to name one of its parameters "
                        f"({', '.join(known.names) or 'none'}), got {each!r}"
                    )

    def _declared(self, name: str) -> tuple[str, ...]:
        return self._declarations.of(name, getattr(self._tasks.get(name), KEY, None)).redact


def parameters_of(task: Any) -> Parameters:  # noqa: ANN401 - a task, or what stands for one
    """Read the parameters of a task's function; of a task that is not known, any."""
    run = getattr(task, "run", None)
    try:
        given = inspect.signature(run).parameters.values() if callable(run) else None
    except (TypeError, ValueError):
        given = None
    if given is None:
        return Parameters()
    more = {_ANY_MORE[each.kind] for each in given if each.kind in _ANY_MORE}
    names = [each.name for each in given if each.kind not in _ANY_MORE and each.kind is not each.KEYWORD_ONLY]
    only = [each.name for each in given if each.kind is each.KEYWORD_ONLY]
    return Parameters(tuple(names), tuple(only), args="args" in more, kwargs="kwargs" in more)
