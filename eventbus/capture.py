"""A task's Request, extended: its message goes whole to where the task runs, and its losses are heard."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from celery.utils.imports import symbol_by_name

from eventbus.kept import whole
from eventbus.requests import Keeping

if TYPE_CHECKING:
    from celery.app.task import Context

    from eventbus.parent import Parent


@cache
def keeping(request_class: type | str, parent: Parent | None = None) -> type:
    """Give the subclass of a task's Request class that keeps the message, and tells `parent` what becomes of it."""
    base = symbol_by_name(request_class)
    return base if issubclass(base, Keeping) else type(base.__name__, (Keeping, base), {"_redrive": parent})


def message_of(request: Context) -> dict[str, Any] | None:
    """Give the message of a run as data of an event; None for a run that came by no message, an eager one."""
    return whole(request.properties or {})
