"""Jinja expressions in workflows, `{{ ... }}` and `{% ... %}`, sandboxed."""

from __future__ import annotations

from functools import cache, lru_cache, partial
from inspect import isgenerator
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment

from orchestrator.stackstorm.embedded.orquesta import functions
from orchestrator.stackstorm.embedded.orquesta.cheap import LONGEST_TEXT, jinja_is_cheap
from orchestrator.stackstorm.embedded.orquesta.scope import Costly, JinjaEvaluationException
from orchestrator.stackstorm.embedded.orquesta.spans import spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stackstorm.embedded.orquesta.scope import Scope


def present(text: str) -> bool:
    """Tell whether a text holds a Jinja expression or block."""
    return bool(_expressions(text) or _blocks(text))


def evaluate(text: str, scope: Scope) -> Any:
    """Evaluate a text: the value itself where it is one expression, else text with the values put in."""
    raw = spans(text, "{% raw %}", "{% endraw %}")
    for index, block in enumerate(raw):
        text = text.replace(block, f"{{{index}}}")
    names = _names(scope)
    output = _expand(text, scope, names)
    if isinstance(output, str) and (left := [_inner(found) for found in _expressions(output)]):
        raise JinjaEvaluationException(f"There are unresolved variables: {', '.join(left)}")
    if isinstance(output, str) and raw:
        for index, block in enumerate(raw):
            output = output.replace(f"{{{index}}}", block)
        output = _put_back(output, names)
    return output


def is_cheap(text: str) -> bool:
    """Tell whether a text costs no more than the data it is given; one that cannot be read is cheap."""
    return len(text) <= LONGEST_TEXT and _is_cheap(text)


@lru_cache(maxsize=1024)
def _is_cheap(text: str) -> bool:
    try:
        return jinja_is_cheap(_environment().parse(text))
    except (TemplateError, ValueError, TypeError):
        return True
    except RecursionError:
        return False


def found(text: str) -> list[str]:
    """Give the inside of every expression of a text."""
    return [_inner(expression) for expression in _expressions(text)]


def problems(text: str) -> Iterator[tuple[str, str]]:
    """Give what does not parse, with what the parser says of it: the whole text first, then each expression alone."""
    expressions = _expressions(text)
    for part in dict.fromkeys((text, *expressions)):
        try:
            if part == text:
                _environment().parse(text)
            if part in expressions:
                Parser(_environment().overlay(), _inner(part), state="variable").parse_expression()
        except (TemplateError, RecursionError) as error:
            yield part, str(getattr(error, "message", error))


def _expand(text: str, scope: Scope, names: dict[str, Any]) -> Any:
    if _blocks(text):
        return _rendered(text, scope, names)
    output: Any = text
    found = _expressions(text)
    for expression in found:
        value = _value(expression, scope, names)
        if isinstance(value, StrictUndefined):
            continue  # what stays is refused by evaluate, which names it
        alone = len(found) == 1 and len(output) <= len(expression)
        output = value if alone else output.replace(expression, str(value))
    return output


def _nested(text: str, scope: Scope, names: dict[str, Any]) -> Any:
    if scope.outside.apart is not None and not is_cheap(text):
        raise Costly
    return _expand(text, scope, names)


def _put_back(text: str, names: dict[str, Any]) -> str:
    try:
        return _environment().from_string(text).render(names)
    except Exception as error:  # noqa: BLE001 whatever a template raises is the template's error
        raise _failed(text, error) from None


def _rendered(text: str, scope: Scope, names: dict[str, Any]) -> Any:
    try:
        return _nested(_environment().from_string(text).render(names), scope, names)
    except Exception as error:  # noqa: BLE001 whatever a template raises is the template's error
        raise _failed(text, error) from None


def _value(expression: str, scope: Scope, names: dict[str, Any]) -> Any:
    try:
        value = _compile(_inner(expression))(**names)
        if isgenerator(value):
            value = list(value)
        return _nested(value, scope, names) if isinstance(value, str) and present(value) else value
    except Exception as error:  # noqa: BLE001 whatever an expression raises is the expression's error
        raise _failed(expression, error) from None


def _failed(expression: str, error: Exception) -> JinjaEvaluationException:
    return JinjaEvaluationException(f"Unable to evaluate expression '{expression}'. {type(error).__name__}: {error}")


def _expressions(text: str) -> list[str]:
    return spans(text, "{{", "}}")


def _blocks(text: str) -> list[str]:
    return spans(text, "{%", "%}")


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
