"""Jinja outside of workflows: in the parameters of rules and in the defaults of actions. Sandboxed, strict."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from orchestrator.stackstorm.embedded.errors import ParameterError
from orchestrator.stackstorm.embedded.orquesta.functions import NONE_MARK, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Template


def is_template(value: Any) -> bool:
    """Tell whether a value, at any depth, holds Jinja."""
    if isinstance(value, dict):
        return any(is_template(member) for pair in value.items() for member in pair)
    if isinstance(value, list):
        return any(is_template(member) for member in value)
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def names_in(value: Any) -> frozenset[str]:
    """Give the variables that a template asks for; a text that is no template after all asks for none."""
    return _names_in(_text(value))


def problems(value: Any) -> Iterator[str]:
    """Name what is wrong with the templates in a value, or not supported."""
    if not is_template(value):
        return
    try:
        _template(_text(value))
    except TemplateError as error:
        yield f"expected Jinja, got: {error.message}"


def render(name: str, value: Any, context: Mapping[str, Any]) -> Any:
    """Render a template to text; a mapping or list to what its text says in JSON. Raises ParameterError."""
    try:
        rendered = _template(_text(value)).render(context)
        return rendered if isinstance(value, str) else json.loads(rendered)
    except Exception as error:  # noqa: BLE001 whatever a template raises is the template's error
        raise ParameterError(f'Failed to render parameter "{name}": {error}') from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@lru_cache(maxsize=1024)
def _names_in(text: str) -> frozenset[str]:
    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(text)))
    except TemplateError:
        return frozenset()


@lru_cache(maxsize=1024)
def _template(text: str) -> Template:
    return _environment().from_string(text)


@cache
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(PLAIN)
    environment.filters["to_complex"] = json.dumps
    environment.filters["json_escape"] = lambda text: json.dumps(text)[1:-1]
    environment.tests["in"] = lambda item, among: item in among
    return environment


__all__ = ["NONE_MARK", "is_template", "names_in", "problems", "render"]
