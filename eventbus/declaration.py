"""What an application declares of a task: what it leans on, whether it may run twice, where else, and never for what.

On the task, `@app.task(redrive={"dependency": "openai", "idempotent": True, "never": [ValueError]})`, or by name
pattern: in the file that REDRIVE_DECLARATIONS_FILE names, or in `install(app, declarations={"reports.*": {...}})`.
What the task says itself goes before a pattern, the file before the call, and an earlier pattern before a later one,
key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from eventbus.arguments import edit_of, positions_of, search_of
from eventbus.exception_names import exception_type
from eventbus.facts import type_name
from eventbus.redaction import read_path
from eventbus.routes import route_of

if TYPE_CHECKING:
    from collections.abc import Callable

KEY: Final = "redrive"
# The orchestrator refuses an event whose dependency is longer.
LONGEST_DEPENDENCY: Final = 200
MOST_ROUTES: Final = 32
ALIKE: Final = 0.75


class DeclarationError(ValueError):
    """A declaration that has a key or a value which it can't have: says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What is declared of one task, checked.

    `route` lists where else it may run, best first, in the shape of `eventbus.routes`; `never` the exception types for
    which nothing redrives it by itself; `redact` which arguments are replaced before they leave the worker; `search`
    which ones failures may be searched by, and `edit` which ones a person may change, in the shape of
    `eventbus.arguments`. `positions` tell where those stand in the task's signature, where that is known,
    and None for one that goes by name only.
    """

    dependency: str | None = None
    idempotent: bool = False
    route: tuple[Mapping[str, Any], ...] = ()
    never: tuple[type[BaseException], ...] = ()
    redact: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    edit: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    positions: Mapping[str, int | None] = field(default_factory=dict)

    def as_data(self, raised: BaseException | None = None) -> dict[str, Any]:
        """Give it as an event carries it; a raised subclass of a `never` type is named there like the type itself.

        The orchestrator compares names, and cannot know what is a subclass of what.
        """
        names = [_name(each) for each in self.never]
        if raised is not None and not set(type(raised).__mro__).isdisjoint(self.never):
            names = list(dict.fromkeys([*names, type_name(raised)]))
        return {
            "dependency": self.dependency,
            "idempotent": self.idempotent,
            "route": [dict(each) for each in self.route],
            "never": names,
            **self._arguments(),
        }

    def _arguments(self) -> dict[str, Any]:
        """Give what is declared of arguments: most tasks declare nothing, and their events carry nothing of it."""
        edit = {name: dict(rule) for name, rule in self.edit.items()}
        told = {"search": list(self.search), "edit": edit, "positions": dict(self.positions)}
        return {name: value for name, value in told.items() if value}


def check(owner: str, declared: object) -> dict[str, Any]:
    """Give what is declared, in the shape of `Declared`; `owner` is named in the DeclarationError if it is wrong."""
    if not isinstance(declared, Mapping):
        raise DeclarationError(f"{owner}: expected redrive={{...}}, got {declared!r}")
    unknown = sorted(str(key) for key in declared.keys() - CHECKS.keys())
    if unknown:
        got = ", ".join(f"{name}{_meant(name)}" for name in unknown)
        raise DeclarationError(f"{owner}: expected only the keys {', '.join(CHECKS)}; got {got}")
    try:
        return {key: CHECKS[key](value) for key, value in declared.items()}
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{owner}: {error}") from error


class Declarations:
    """The declarations of one application."""

    def __init__(self, *patterns: Mapping[str, Any] | None) -> None:
        """Check the patterns, those that go before others first; raises DeclarationError."""
        self._patterns = [
            (pattern, check(f"declarations[{pattern!r}]", declared))
            for each in patterns
            for pattern, declared in (each or {}).items()
        ]

    @property
    def patterns(self) -> tuple[str, ...]:
        """The name patterns, in the order in which they count."""
        return tuple(pattern for pattern, _ in self._patterns)

    @property
    def redacting(self) -> bool:
        """Tell whether a pattern names arguments to be redacted."""
        return any(values.get("redact") for _, values in self._patterns)

    def of(self, name: str, own: object = None) -> Declared:
        """Give what is declared of a task: by itself, else by a pattern, else by default; raises DeclarationError."""
        said = [values for pattern, values in reversed(self._patterns) if fnmatchcase(name, pattern)]
        said.append(check(f"task {name!r}", {} if own is None else own))
        declared: dict[str, Any] = {key: value for each in said for key, value in each.items()}
        # What one of them wants kept in the worker, no other one lets out.
        redact = dict.fromkeys(path for each in said for path in each.get("redact", ()))
        return replace(Declared(), **declared | {"redact": tuple(redact)})

    def says(self, key: str, name: str, own: object = None) -> bool:
        """Tell whether anybody says something under a key of a task, be it what is the default too."""
        mine = isinstance(own, Mapping) and key in own
        return mine or any(key in values for pattern, values in self._patterns if fnmatchcase(name, pattern))

    def of_task(self, task: Any) -> Declared:  # noqa: ANN401 - celery has no types
        """Give what is declared of a Celery task; raises DeclarationError, for `redirve={...}` too."""
        own = getattr(task, KEY, None)
        for name, value in vars(type(task)).items():
            if name != KEY and isinstance(value, Mapping) and get_close_matches(name, [KEY], cutoff=ALIKE):
                raise DeclarationError(f"task {task.name!r}: expected redrive={{...}}, got {name}={{...}}")
        declared = self.of(task.name, own)
        set_by_routes = (name for each in declared.route for name in each.get("kwargs", ()))
        positions = positions_of(task, dict.fromkeys((*declared.search, *declared.edit, *set_by_routes)))
        return replace(declared, positions=positions) if positions else declared


def _dependency(value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or not 0 < len(value) <= LONGEST_DEPENDENCY or "\0" in value):
        raise ValueError(
            f"expected `dependency` as a name or None, at most {LONGEST_DEPENDENCY} characters; got {_short(value)}"
        )
    return value


def _idempotent(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected `idempotent` as True or False, got {value!r}")
    return value


def _route(value: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST_ROUTES:
        raise ValueError(f"expected `route` as a list of at most {MOST_ROUTES} queues or routes, got {_short(value)}")
    return tuple(route_of(each) for each in value)


def _never(value: object) -> tuple[type[BaseException], ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected `never` as a list of exception classes or their names, got {value!r}")
    return tuple(dict.fromkeys(exception_type(each) for each in value))


def _redact(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected `redact` as a list of paths such as kwargs.password, got {value!r}")
    return tuple(".".join(read_path(each)) for each in value)


CHECKS: Final[Mapping[str, Callable[[object], Any]]] = {
    "dependency": _dependency,
    "idempotent": _idempotent,
    "route": _route,
    "never": _never,
    "redact": _redact,
    "search": search_of,
    "edit": edit_of,
}


def _meant(name: str) -> str:
    close = get_close_matches(name.lower(), list(CHECKS), n=1)
    return f" (meant: {close[0]}?)" if close else ""


def _name(exception: type[BaseException]) -> str:
    return f"{exception.__module__}.{exception.__qualname__}"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST_DEPENDENCY else f"{shown[:LONGEST_DEPENDENCY]}..."
