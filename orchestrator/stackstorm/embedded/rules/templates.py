"""Jinja outside of workflows: in parameters, their defaults, rules and configurations. Sandboxed, strict.

A template that costs no more than what it is given is rendered here; any other in the process for costly ones, where
the names of the template tell of one.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson
from jinja2 import StrictUndefined, TemplateAssertionError, TemplateSyntaxError, meta, pass_context
from jinja2.sandbox import SandboxedEnvironment

from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.lookups import decrypt_kv, render_apart
from orchestrator.stackstorm.embedded.orquesta.cheap import LONGEST_TEXT, jinja_is_cheap
from orchestrator.stackstorm.embedded.orquesta.documents import NONE_MARK, to_complex
from orchestrator.stackstorm.embedded.orquesta.functions import FILTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Environment, Template
    from jinja2.runtime import Context

# A whole text of a mapping or list that is one variable keeps the variable's type.
_ALONE: Final = re.compile(r'"{{([A-z0-9_-]+)}}"')


def is_template(value: Any) -> bool:
    """Tell whether a value, at any depth, holds Jinja."""
    if isinstance(value, dict):
        return any(is_template(member) for pair in value.items() for member in pair)
    if isinstance(value, list):
        return any(is_template(member) for member in value)
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def is_literal(value: Any) -> bool:
    """Tell whether a value is no Jinja after all, such as docker's {{.Names}}: parameters keep it as it is."""
    return _is_literal(str(value))


def names_in(value: Any) -> frozenset[str]:
    """Give the variables that a template asks for; a text that is no template after all asks for none."""
    return frozenset() if is_literal(value) else _names_in(str(value))


def problems(value: Any) -> Iterator[str]:
    """Name the filters and tests in a template that are not there."""
    if not is_template(value) or is_literal(value):
        return
    try:
        _reading().compile(str(value))
    except TemplateAssertionError as error:
        yield f"expected Jinja, got: {error.message}"


def is_cheap(value: Any) -> bool:
    """Tell whether rendering a value costs no more than what it is given; one that is no Jinja is not rendered."""
    return not is_template(value) or is_literal(value) or _is_cheap_text(str(value))


def render(name: str, value: Any, context: Mapping[str, Any]) -> Any:
    """Render a template to text; a mapping or list to what its text says in JSON. Raises ParameterError."""
    try:
        rendered = _rendered(_text(value), context)
        return rendered if isinstance(value, str) else orjson.loads(rendered)
    except Exception as error:  # noqa: BLE001 whatever a template raises is the template's error
        raise ParameterError(f'Failed to render parameter "{name}": {error}') from None


def text(value: str, context: Mapping[str, Any]) -> str:
    """Render a template to text; raises whatever it raises."""
    return _rendered(value, context)


def render_here(text: str, context: Mapping[str, Any]) -> str:
    """Render a text in this process, whatever it costs."""
    return _template(text).render(context)


def _rendered(text: str, context: Mapping[str, Any]) -> str:
    rendered = None if _is_cheap_text(text) else render_apart(text, context)
    return render_here(text, context) if rendered is None else rendered


def _is_cheap_text(text: str) -> bool:
    return len(text) <= LONGEST_TEXT and _is_cheap(text)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return _ALONE.sub(r"{{\1 | to_complex}}", orjson.dumps(value).decode())


@lru_cache(maxsize=1024)
def _is_literal(text: str) -> bool:
    try:
        _reading().parse(text)
    except TemplateAssertionError:
        return False
    except TemplateSyntaxError:
        return True
    return False


@lru_cache(maxsize=1024)
def _names_in(text: str) -> frozenset[str]:
    tracking = meta.TrackingCodeGenerator(_reading())
    tracking.optimizer = None
    tracking.visit(_reading().parse(text))
    return frozenset(tracking.undeclared_identifiers)


@lru_cache(maxsize=1024)
def _is_cheap(text: str) -> bool:
    return jinja_is_cheap(_reading().parse(text))


@lru_cache(maxsize=1024)
def _template(text: str) -> Template:
    return _environment().from_string(text)


@pass_context
def _as_it_is(_context: Context, value: Any) -> Any:
    return value


@cache
def _reading() -> Environment:
    """Give an environment that only reads: Jinja evaluates what is constant when it compiles, whatever that costs."""
    environment = _sandbox()
    environment.optimized = False
    environment.finalize = _as_it_is
    return environment


@cache
def _environment() -> SandboxedEnvironment:
    return _sandbox()


def _sandbox() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(FILTERS)
    environment.filters["to_complex"] = to_complex
    environment.filters["decrypt_kv"] = decrypt_kv
    environment.tests["in"] = lambda item, among: item in among
    return environment


__all__ = [
    "NONE_MARK",
    "is_cheap",
    "is_literal",
    "is_template",
    "names_in",
    "problems",
    "render",
    "render_here",
    "text",
]
