"""A sink of the user's own: a function in a module, which is called once at the start."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from orchestrator.domain.errors import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.ports import Sink


def own_sink(name: str, kind: str, options: Mapping[str, Any]) -> Sink:
    """Make the sink `module:function`; raises SettingsInvalid for what cannot be imported, called, or used as one."""
    module, _, function = kind.partition(":")
    place = f"REDRIVE_SINKS.{name}.kind"
    try:
        make = getattr(import_module(module), function)
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        raise SettingsInvalid(f"{place}: expected a module that has {function}, got {_told(error)}") from None
    try:
        made = make(name, **options)
    except Exception as error:  # noqa: BLE001 - as above
        raise SettingsInvalid(
            f"{place}: expected {kind} to make a sink of its name and options, got {_told(error)}"
        ) from None
    if fault := _fault(made, name):
        raise SettingsInvalid(f"{place}: expected a sink of {kind}, got one {fault}; see docs/sinks.md")
    sink: Sink = made
    return sink


def _fault(made: object, name: str) -> str | None:
    types = getattr(made, "types", None)
    if getattr(made, "name", None) != name:
        return f"whose name is not {name!r}"
    if not isinstance(types, frozenset) or not types or not all(isinstance(each, str) for each in types):
        return "whose types are not a frozenset of names"
    return None if callable(getattr(made, "deliver", None)) else "without deliver"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
