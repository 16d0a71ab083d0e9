"""What an application declares of a task: the dependency it leans on, and whether it may run twice.

On the task, `@app.task(redrive={"dependency": "openai", "idempotent": True})`, or by name pattern in
`install(app, declarations={"reports.*": {...}})`. What the task says itself goes before a pattern, and an earlier
pattern before a later one, key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

DEFAULTS: Final[Mapping[str, Any]] = {"dependency": None, "idempotent": False}


class DeclarationError(ValueError):
    """A declaration that has a key or a value which it can't have: says what was expected and what came."""


def check(owner: str, declared: object) -> Mapping[str, Any]:
    """Give a declaration back if it is right; `owner` is named in the DeclarationError if it is not."""
    if not isinstance(declared, Mapping):
        raise DeclarationError(f"{owner}: expected redrive={{...}}, got {declared!r}")
    if unknown := sorted(str(key) for key in declared.keys() - DEFAULTS.keys()):
        raise DeclarationError(f"{owner}: expected only the keys {', '.join(DEFAULTS)}; got {', '.join(unknown)}")
    dependency, idempotent = declared.get("dependency"), declared.get("idempotent", False)
    if dependency is not None and (not isinstance(dependency, str) or not dependency):
        raise DeclarationError(f"{owner}: expected `dependency` as a name or None, got {dependency!r}")
    if not isinstance(idempotent, bool):
        raise DeclarationError(f"{owner}: expected `idempotent` as True or False, got {idempotent!r}")
    return declared


class Declarations:
    """The declarations of one application."""

    def __init__(self, patterns: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Check the patterns; raises DeclarationError."""
        self._patterns = {name: check(f"declarations[{name!r}]", each) for name, each in (patterns or {}).items()}

    def of(self, name: str, own: object = None) -> dict[str, Any]:
        """Give both values for a task: its own, else a pattern's, else the default; raises DeclarationError."""
        declared = dict(DEFAULTS)
        for pattern in reversed(self._patterns):
            if fnmatchcase(name, pattern):
                declared |= self._patterns[pattern]
        return {**declared, **check(f"task {name!r}", {} if own is None else own)}
