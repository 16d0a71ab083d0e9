"""Which arguments of which task are redacted: its own declaration and every pattern that matches, together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventbus.arguments import parameters_of
from eventbus.declaration import KEY, DeclarationError
from eventbus.redaction import read_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventbus.declaration import Declarations
    from eventbus.redaction import Path


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
        """Refuse what a task itself says of an argument that no call of it can have; raises DeclarationError."""
        for name, task in self._tasks.items():
            own, known = getattr(task, KEY, None) or {}, parameters_of(task)
            paths = [("redact", each, read_path(each)) for each in own.get("redact", ())]
            paths += [(key, each, ("kwargs", each)) for key in ("search", "edit") for each in own.get(key, ())]
            for key, given, path in paths:
                if not known.has(path):
                    raise DeclarationError(
                        f"task {name!r}: expected `{key}` to name one of its parameters "
                        f"({', '.join((*known.names, *known.by_name_only)) or 'none'}), got {given!r}"
                    )

    def _declared(self, name: str) -> tuple[str, ...]:
        return self._declarations.of(name, getattr(self._tasks.get(name), KEY, None)).redact
