"""YAQL expressions, `<% ... %>`."""

from __future__ import annotations

import collections.abc  # noqa: F401 yaql uses it without importing it
from functools import cache, lru_cache
from inspect import isgenerator
from typing import TYPE_CHECKING, Any

import yaql
from yaql.language import utils as yaql_values
from yaql.language.exceptions import YaqlException
from yaql.language.factory import YaqlFactory

from orchestrator.stackstorm.embedded.orquesta import functions
from orchestrator.stackstorm.embedded.orquesta.cheap import LONGEST_TEXT, yaql_is_cheap
from orchestrator.stackstorm.embedded.orquesta.scope import Costly, YaqlEvaluationException
from orchestrator.stackstorm.embedded.orquesta.spans import spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.stackstorm.embedded.orquesta.scope import Scope

_SCOPE = "$__scope"
# What nearly every transition asks: as the engine calls them, and without it in a hundredth of the time.
_OF_THE_TASK = {f"{name}()": functions.SCOPED[name] for name in ("succeeded", "failed", "completed")}


def present(text: str) -> bool:
    """Tell whether a text holds a YAQL expression."""
    return bool(_expressions(text))


def evaluate(text: str, scope: Scope) -> Any:
    """Evaluate a text: the value itself where it is one expression, else text with the values put in."""
    return _evaluate(text, scope, _root().create_child_context())


def is_cheap(text: str) -> bool:
    """Tell whether a text's expressions cost no more than the data they are given; one that cannot be read is cheap."""
    return len(text) <= LONGEST_TEXT and _is_cheap(text)


@lru_cache(maxsize=2048)
def _is_cheap(text: str) -> bool:
    try:
        return all(yaql_is_cheap(_compile(inner).expression) for inner in found(text))
    except (YaqlException, ValueError, TypeError):
        return True
    except RecursionError:
        return False


def found(text: str) -> list[str]:
    """Give the inside of every expression of a text."""
    return [_inner(expression) for expression in _expressions(text)]


def problems(text: str) -> Iterator[tuple[str, str]]:
    """Give every expression that does not parse, with what the parser says of it."""
    for expression in _expressions(text):
        try:
            _compile(_inner(expression))
        except (YaqlException, ValueError, TypeError, RecursionError) as error:
            yield expression, str(error)


def _evaluate(text: str, scope: Scope, context: Any) -> Any:
    context[_SCOPE] = scope
    output: Any = text
    found = _expressions(text)
    for expression in found:
        value = _value(expression, scope, context)
        alone = len(found) == 1 and len(output) <= len(expression)
        output = value if alone else output.replace(expression, str(value))
    return output


def _value(expression: str, scope: Scope, context: Any) -> Any:
    try:
        inner = _inner(expression)
        known = _OF_THE_TASK.get(inner)
        value = known(scope) if known else _compile(inner).evaluate(context=context)
        if isgenerator(value):
            value = list(value)
        return _nested(value, scope, context) if isinstance(value, str) and present(value) else value
    except KeyError as error:
        missing = str(error).strip("'")
        raise YaqlEvaluationException(
            f"Unable to resolve key '{missing}' in expression '{expression}' from context."
        ) from None
    except Exception as error:  # noqa: BLE001 whatever an expression raises is the expression's error
        stripped = isinstance(error, YaqlException | ValueError | TypeError)
        text = str(error).strip("'") if stripped else str(error)
        raise YaqlEvaluationException(
            f"Unable to evaluate expression '{expression}'. {type(error).__name__}: {text}"
        ) from None


def _nested(text: str, scope: Scope, context: Any) -> Any:
    if scope.outside.apart is not None and not is_cheap(text):
        raise Costly
    return _evaluate(text, scope, context)


def _expressions(text: str) -> list[str]:
    return spans(text, "<%", "%>")


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
    if function in (functions.ctx_, functions.item_):
        return lambda context, key=None: yaql_values.convert_input_data(function(context[_SCOPE], key))
    if function is functions.task_status_:
        return lambda context, task_id, route=None: function(context[_SCOPE], task_id, route)
    if function is functions.task:
        return lambda context, task_id=None, route=None: function(context[_SCOPE], task_id, route)
    if function is functions.st2kv_:
        return lambda context, key, **kwargs: function(context[_SCOPE], key, **kwargs)
    return lambda context: yaql_values.convert_input_data(function(context[_SCOPE]))
