"""Looking at somebody else's exception: any attribute may be missing, of another type, or raise."""

from __future__ import annotations

from traceback import format_exception
from typing import TYPE_CHECKING, Any, Final, TypeVar

from billiard import common

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
# Of a process that a signal asked to go, SystemExit says nothing about the code that ran.
asked_to_go: Final[Callable[[], bool]] = getattr(common, "terminate_handler_fired", lambda: False)


def found(look: Callable[[], T]) -> T | None:
    """Give what a look at somebody else's objects finds, None where they raise."""
    try:
        return look()
    except BaseException as broken:  # noqa: BLE001 - a property or a method of theirs may do anything
        let_pass(broken)
        return None


def attribute(owner: object, name: str) -> Any:  # noqa: ANN401 - of an exception that we know nothing of
    """Give an attribute, None where there is none or where it cannot be had."""
    return found(lambda: getattr(owner, name, None))


def item(mapping: object, *path: str) -> Any:  # noqa: ANN401 - as above
    """Give what a path of keys leads to in plain dictionaries, None where it ends."""
    for key in path:
        if not isinstance(mapping, dict):
            return None
        mapping = dict.get(mapping, key)
    return mapping


def header(headers: Any, name: str) -> object:  # noqa: ANN401 - whatever a client calls headers
    """Give a header by its name in small letters."""
    return found(lambda: headers.get(name) or headers.get(name.title()))


def text_of(error: BaseException) -> str:
    """Give an exception's message."""
    try:
        return str.__str__(str(error))
    except BaseException as broken:  # noqa: BLE001 - somebody else's __str__
        let_pass(broken)
        return f"<no message: {type(broken).__name__} in __str__>"


def traceback_of(error: BaseException) -> str:
    """Give an exception's traceback as Python prints it; nothing where what lies beneath cannot be had."""
    return found(lambda: "".join(format_exception(error))) or ""


def let_pass(broken: BaseException) -> None:
    """Raise what may come from outside the code that was asked: a worker's or a greenlet's end, a process's signal."""
    if isinstance(broken, Exception) or (type(broken) in {SystemExit, KeyboardInterrupt} and not asked_to_go()):
        return
    raise broken
