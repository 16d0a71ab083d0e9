"""YAQL expressions, `<% ... %>`."""

from __future__ import annotations

import collections.abc  # noqa: F401 yaql uses it without importing it
import re
from functools import cache, lru_cache
from inspect import isgenerator
from typing import TYPE_CHECKING, Any

import yaql
from yaql.language import expressions as nodes
from yaql.language import utils as yaql_values
from yaql.language.exceptions import YaqlException
from yaql.language.factory import YaqlFactory

from orchestrator.stackstorm.embedded.orquesta import functions
from orchestrator.stackstorm.embedded.orquesta.scope import YaqlEvaluationException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.stackstorm.embedded.orquesta.scope import Scope

_EXPRESSION = re.compile(r"<%.*?%>")
_SCOPE = "$__scope"


def present(text: str) -> bool:
    """Tell whether a text holds a YAQL expression."""
    return "<%" in text and _EXPRESSION.search(text) is not None


def evaluate(text: str, scope: Scope) -> Any:
    """Evaluate a text: the value itself where it is one expression, else text with the values put in."""
    return _evaluate(text, scope, _root().create_child_context())


def problems(text: str) -> Iterator[str]:
    """Name every expression that does not parse, and every function that is not there."""
    for expression in _EXPRESSION.findall(text):
        try:
            statement = _compile(_inner(expression))
        except (YaqlException, ValueError, TypeError) as error:
            yield f"expected YAQL in {expression!r}, got: {error}"
            continue
        for name in _called(statement.expression):
            if not any(True for _ in _root().collect_functions(name)):
                yield f"expected a function that the embedded StackStorm has in {expression!r}, got {name!r}"


def _evaluate(text: str, scope: Scope, context: Any) -> Any:
    context[_SCOPE] = scope
    output: Any = text
    found = _EXPRESSION.findall(text)
    for expression in found:
        value = _value(expression, scope, context)
        alone = len(found) == 1 and len(output) <= len(expression)
        output = value if alone else output.replace(expression, str(value))
    return output


def _value(expression: str, scope: Scope, context: Any) -> Any:
    try:
        value = _compile(_inner(expression)).evaluate(context=context)
        if isgenerator(value):
            value = list(value)
    except KeyError as error:
        missing = str(error).strip("'")
        raise YaqlEvaluationException(
            f"Unable to resolve key '{missing}' in expression '{expression}' from context."
        ) from None
    except Exception as error:  # noqa: BLE001 whatever an expression raises is the expression's error
        text = str(error).strip("'")
        raise YaqlEvaluationException(
            f"Unable to evaluate expression '{expression}'. {type(error).__name__}: {text}"
        ) from None
    return _evaluate(value, scope, context) if isinstance(value, str) and present(value) else value


def _inner(expression: str) -> str:
    return expression.strip("<%>").strip()


@lru_cache(maxsize=2048)
def _compile(expression: str) -> Any:
    return _engine()(expression)


@cache
def _engine() -> Any:
    return YaqlFactory().create()


@cache
def _root() -> Any:
    context = yaql.create_context()
    for name, function in functions.SCOPED.items():
        context.register_function(_with_scope(function), name=name)
    for name, function in functions.PLAIN.items():
        context.register_function(function, name=name)
    return context


def _with_scope(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a YAQL function of one that takes the scope: YAQL hands its context to an argument of that name."""
    if function in (functions.ctx, functions.item):
        return lambda context, key=None: yaql_values.convert_input_data(function(context[_SCOPE], key))
    if function is functions.task_status:
        return lambda context, task_id, route=None: function(context[_SCOPE], task_id, route)
    return lambda context: yaql_values.convert_input_data(function(context[_SCOPE]))


def _called(node: Any) -> Iterator[str]:
    if isinstance(node, nodes.Function):
        yield node.name
        for argument in node.args:
            yield from _called(argument)
    elif isinstance(node, nodes.MappingRuleExpression):
        yield from _called(node.source)
        yield from _called(node.destination)
    elif isinstance(node, nodes.Wrap):
        yield from _called(node.expression)
