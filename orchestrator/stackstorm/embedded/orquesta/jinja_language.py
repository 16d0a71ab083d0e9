"""Jinja expressions in workflows, `{{ ... }}` and `{% ... %}`, sandboxed."""

from __future__ import annotations

import re
from functools import cache, lru_cache, partial
from inspect import isgenerator
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from orchestrator.stackstorm.embedded.orquesta import functions
from orchestrator.stackstorm.embedded.orquesta.scope import JinjaEvaluationException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stackstorm.embedded.orquesta.scope import Scope

_EXPRESSION = re.compile(r"{{.*?}}")
_BLOCK = re.compile(r"{%.*?%}")
_RAW = re.compile(r"{% raw %}.*?{% endraw %}")


def present(text: str) -> bool:
    """Tell whether a text holds a Jinja expression or block."""
    return "{" in text and (_EXPRESSION.search(text) is not None or _BLOCK.search(text) is not None)


def evaluate(text: str, scope: Scope) -> Any:
    """Evaluate a text: the value itself where it is one expression, else text with the values put in."""
    raw = _RAW.findall(text)
    for index, block in enumerate(raw):
        text = text.replace(block, f"{{{index}}}")
    names = _names(scope)
    output = _expand(text, names)
    if isinstance(output, str) and (left := [_inner(found) for found in _EXPRESSION.findall(output)]):
        raise JinjaEvaluationException(f"There are unresolved variables: {', '.join(left)}")
    if isinstance(output, str) and raw:
        for index, block in enumerate(raw):
            output = output.replace(f"{{{index}}}", block)
        output = _environment().from_string(output).render(names)
    return output


def problems(text: str) -> Iterator[str]:
    """Name what does not parse, and every function or filter that is not there."""
    try:
        tree = _environment().parse(text)
        _environment().compile(text)
    except TemplateError as error:
        yield f"expected Jinja in {text!r}, got: {error.message}"
        return
    known = {*functions.SCOPED, *functions.PLAIN}
    for name in sorted(meta.find_undeclared_variables(tree) - known):
        yield f"expected a function that the embedded StackStorm has in {text!r}, got {name!r}"


def _expand(text: str, names: dict[str, Any]) -> Any:
    if _BLOCK.search(text):
        return _expand(_rendered(text, names), names)
    output: Any = text
    found = _EXPRESSION.findall(text)
    for expression in found:
        value = _value(expression, names)
        if isinstance(value, StrictUndefined):
            continue  # what stays is refused by evaluate, which names it
        if isinstance(value, str):
            value = _expand(value, names)
        alone = len(found) == 1 and len(output) <= len(expression)
        output = value if alone else output.replace(expression, str(value))
    return output


def _rendered(text: str, names: dict[str, Any]) -> str:
    try:
        return _environment().from_string(text).render(names)
    except Exception as error:  # noqa: BLE001 whatever a template raises is the template's error
        raise _failed(text, error) from None


def _value(expression: str, names: dict[str, Any]) -> Any:
    try:
        value = _compile(_inner(expression))(**names)
        return list(value) if isgenerator(value) else value
    except Exception as error:  # noqa: BLE001 whatever an expression raises is the expression's error
        raise _failed(expression, error) from None


def _failed(expression: str, error: Exception) -> JinjaEvaluationException:
    return JinjaEvaluationException(f"Unable to evaluate expression '{expression}'. {type(error).__name__}: {error}")


def _inner(expression: str) -> str:
    return expression.strip("{}").strip()


@lru_cache(maxsize=1024)
def _compile(expression: str) -> Any:
    return _environment().compile_expression(expression, undefined_to_none=False)


@cache
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(functions.PLAIN)
    return environment


def _names(scope: Scope) -> dict[str, Any]:
    bound = {name: partial(function, scope) for name, function in functions.SCOPED.items()}
    return {**bound, **functions.PLAIN}
