"""What is known of an exception, gathered where it was raised: not all of it survives the way to another process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from eventbus.answers import code_of, status_of
from eventbus.attributes import attribute, found, text_of
from eventbus.waits import wait_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

T = TypeVar("T")
MESSAGE_CHARACTERS: Final = 4096
TRACEBACK_CHARACTERS: Final = 32768
NAME_CHARACTERS: Final = 1024
_CHAIN_LENGTH: Final = 16
# Python's own exceptions say what broke by their types, wherever they are raised; these say nothing.
_OWN: Final = frozenset({"builtins", "socket", "ssl"})
_SAY_NOTHING: Final = (BaseException, Exception, RuntimeError)


class Shown(NamedTuple):
    """What one exception shows by itself: HTTP status, error code, seconds that it asks to wait."""

    status: int | None
    code: str | None
    wait: float | None

    @property
    def anything(self) -> bool:
        """Tell whether it shows any of them."""
        return any(each is not None for each in self)


def facts_of(error: BaseException, traceback: str, now: datetime) -> dict[str, Any]:
    """Give type, message, traceback, chain, HTTP status, Retry-After (seconds from `now`) and code; never raises."""
    chain = list(_chain(error, now))
    status, code, wait = _answer([shown for _, shown in chain])
    told = {"code": code} if code is not None else {}
    return {
        "type": type_name(error),
        "message": _shorten(text_of(error), MESSAGE_CHARACTERS),
        "traceback": _shorten(traceback, TRACEBACK_CHARACTERS),
        "chain": [type_name(each) for each, _ in chain[1:]],
        "status": status,
        "retry_after": wait,
        **told,
    }


def type_name(error: BaseException) -> str:
    """Give the name of an exception's type with its module, `builtins.ValueError`."""
    kind = type(error)
    told = found(lambda: f"{kind.__module__}.{kind.__qualname__}") or "builtins.BaseException"
    return _shorten(told, NAME_CHARACTERS)


def _answer(chain: Sequence[Shown]) -> Shown:
    """Give status, code and wait of one answer: that of the outermost exception that shows a status or a code.

    The same status beneath is the same answer, and may say what is missing. A wait may also be told by what wraps it.
    """
    place = next((at for at, each in enumerate(chain) if each.status is not None or each.code is not None), len(chain))
    status, code, _ = chain[place] if place < len(chain) else Shown(None, None, None)
    same = [each for each in chain[place:] if status is not None and each.status == status]
    codes = [code, *(each.code for each in same)]
    waits = (each.wait for each in (*chain[: place + 1], *same))
    return Shown(status, _first(codes), _first(waits))


def _chain(error: BaseException, now: datetime) -> Iterator[tuple[BaseException, Shown]]:
    """Give the exception and those beneath it that tell of it, nearest first, with what each shows."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < _CHAIN_LENGTH:
        seen.add(id(current))
        shown = _shown(current, now)
        yield current, shown
        current = found(partial(_beneath, current, shown))


def _shown(error: BaseException, now: datetime) -> Shown:
    return Shown(found(lambda: status_of(error)), found(lambda: code_of(error)), found(lambda: wait_of(error, now)))


def _beneath(error: BaseException, shown: Shown) -> BaseException | None:
    """Give the cause; of what was being handled only what an exception wraps that says nothing by itself.

    What was handled when a further call failed, or when the code that handled it broke, tells of something else.
    """
    cause = attribute(error, "__cause__")
    if cause is None and not shown.anything and _says_nothing(error) and not attribute(error, "__suppress_context__"):
        cause = attribute(error, "__context__")
    return cause if isinstance(cause, BaseException) else None


def _says_nothing(error: BaseException) -> bool:
    kind = type(error)
    return kind in _SAY_NOTHING or kind.__module__ not in _OWN


def _first(told: Iterable[T | None]) -> T | None:
    return next((each for each in told if each is not None), None)


def _shorten(text: str, limit: int) -> str:
    """Keep both ends of a long text, and what UTF-8 can hold of it."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}\n... {len(text) - limit} characters left out ...\n{text[-limit // 2 :]}"
    return text.encode(errors="replace").decode()
