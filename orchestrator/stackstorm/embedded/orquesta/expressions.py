"""Expressions in values: which language a text is in, evaluated at any depth of mappings and lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import jinja_language, yaql_language
from orchestrator.stackstorm.embedded.orquesta.scope import Costly

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from orchestrator.stackstorm.embedded.orquesta.scope import Scope

_LANGUAGES: dict[str, ModuleType] = {"jinja": jinja_language, "yaql": yaql_language}
_NAMES = {"jinja": "Jinja", "yaql": "YAQL"}


def evaluate(value: Any, scope: Scope) -> Any:
    """Evaluate every expression in a value; raises ExpressionError."""
    if isinstance(value, dict):
        return {evaluate(key, scope): evaluate(member, scope) for key, member in value.items()}
    if isinstance(value, list):
        return [evaluate(member, scope) for member in value]
    if isinstance(value, str):
        for language in _LANGUAGES.values():
            if language.present(value):
                return _evaluated(language, value, scope)
    return value


def _evaluated(language: ModuleType, text: str, scope: Scope) -> Any:
    apart = scope.outside.apart
    if apart is None:
        return language.evaluate(text, scope)
    if language.is_cheap(text):
        try:
            return language.evaluate(text, scope)
        except Costly:
            pass
    return apart(text, scope)


@dataclass(frozen=True, slots=True)
class Problem:
    """An expression that does not parse: its language (None where a text mixes both), and the parser's words."""

    language: str | None
    expression: str
    message: str

    def __str__(self) -> str:
        """Say what was expected, and what came."""
        if self.language is None:
            return f"expected one expression language in {self.expression!r}, got both YAQL and Jinja"
        return f"expected {_NAMES[self.language]} in {self.expression!r}, got: {self.message}"


def problems(value: Any) -> Iterator[Problem]:
    """Give what is wrong with the expressions in a value, without evaluating them."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from problems(key)
            yield from problems(member)
    elif isinstance(value, list):
        for member in value:
            yield from problems(member)
    elif isinstance(value, str):
        yield from _text_problems(value)


def present(text: str) -> bool:
    """Tell whether a text holds an expression of either language."""
    return any(language.present(text) for language in _LANGUAGES.values())


def found(value: Any) -> Iterator[tuple[str, str, str]]:
    """Give every expression in a value: its language, its inside, and the text it stands in."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from found(key)
            yield from found(member)
    elif isinstance(value, list):
        for member in value:
            yield from found(member)
    elif isinstance(value, str):
        for name, language in _LANGUAGES.items():
            yield from ((name, expression, value) for expression in language.found(value))


def _text_problems(text: str) -> Iterator[Problem]:
    names = [name for name, language in _LANGUAGES.items() if language.present(text)]
    if len(names) > 1:
        yield Problem(None, text, "Expression with multiple types is not supported.")
    elif names:
        for expression, message in _LANGUAGES[names[0]].problems(text):
            yield Problem(names[0], expression, message)
