"""Expressions in values: which language a text is in, evaluated at any depth of mappings and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.orquesta import jinja_language, yaql_language

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stackstorm.embedded.orquesta.scope import Scope


def evaluate(value: Any, scope: Scope) -> Any:
    """Evaluate every expression in a value; raises ExpressionError."""
    if isinstance(value, dict):
        return {evaluate(key, scope): evaluate(member, scope) for key, member in value.items()}
    if isinstance(value, list):
        return [evaluate(member, scope) for member in value]
    if isinstance(value, str):
        if yaql_language.present(value):
            return yaql_language.evaluate(value, scope)
        if jinja_language.present(value):
            return jinja_language.evaluate(value, scope)
    return value


def problems(value: Any) -> Iterator[str]:
    """Name what is wrong with the expressions in a value, or not supported, without evaluating them."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from problems(key)
            yield from problems(member)
    elif isinstance(value, list):
        for member in value:
            yield from problems(member)
    elif isinstance(value, str):
        yield from _text_problems(value)


def _text_problems(text: str) -> Iterator[str]:
    if yaql_language.present(text) and jinja_language.present(text):
        yield f"expected one expression language in {text!r}, got both YAQL and Jinja"
    elif yaql_language.present(text):
        yield from yaql_language.problems(text)
    elif jinja_language.present(text):
        yield from jinja_language.problems(text)
