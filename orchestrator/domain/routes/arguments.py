"""The arguments of a task in its message: read for constraints, and replaced by what a route sets.

Both need a body of Celery's message protocol 2 in JSON: `[args, kwargs, embed]`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.routes.constraints import ArgumentUnknown

if TYPE_CHECKING:
    from orchestrator.domain.failures import TaskMessage

JSON_TYPE: Final = "application/json"
PARTS: Final = 3  # of a body: args, kwargs, embed
_WORDS: Final = ("data_class", "memory_class")


class NotReplaceable(ValueError):
    """A body in which keyword arguments cannot be replaced; says why."""


def call_of(body: bytes, content_type: str, content_encoding: str, headers: Mapping[str, Any]) -> list[Any]:
    """Read a body of protocol 2; raises NotReplaceable for any other."""
    if content_type != JSON_TYPE:
        raise NotReplaceable(f"expected a body in {JSON_TYPE}, got {content_type or 'none'}")
    if "task" not in headers:
        raise NotReplaceable("expected a message of Celery's protocol 2, got one of protocol 1")
    try:
        call = json.loads(body.decode(content_encoding or "utf-8"))
    except (ValueError, LookupError, RecursionError) as error:
        raise NotReplaceable(f"expected a body in {JSON_TYPE}, got one that cannot be read: {error}") from error
    if not isinstance(call, list) or len(call) != PARTS or not isinstance(call[1], dict):
        raise NotReplaceable("expected a body of args, kwargs and embed, as protocol 2 has it")
    return call


def with_kwargs(
    body: bytes, content_type: str, content_encoding: str, headers: Mapping[str, Any], kwargs: Mapping[str, Any]
) -> bytes:
    """Give a body with these keyword arguments in place of its own of those names; raises NotReplaceable."""
    args, own, embed = call_of(body, content_type, content_encoding, headers)
    try:
        return json.dumps([args, own | dict(kwargs), embed]).encode(content_encoding or "utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise NotReplaceable(f"expected keyword arguments with JSON values: {error}") from error


def why_fixed(message: TaskMessage) -> str | None:
    """Say why keyword arguments of a message cannot be replaced; None where they can, or where nobody can tell before
    it is opened.
    """
    if message.sealed is not None or message.claim is not None:
        return None
    try:
        call_of(message.body, message.content_type, message.content_encoding, message.headers)
    except NotReplaceable as error:
        return str(error)
    return None


class ArgumentReader:
    """Reads what constraints demand from the arguments of one message; its body is read once, when it is asked for."""

    def __init__(self, message: TaskMessage) -> None:
        self._message = message
        self._call: list[Any] | None = None

    def __call__(self, field: str, path: str) -> Any:  # noqa: ANN401 - as the field of Constraints has it
        """Give the value for a field of Constraints from `args.0` or `kwargs.name.name`; raises ArgumentUnknown."""
        return _wanted(field, self._at(path))

    def _at(self, path: str) -> object:
        self._refuse_hidden(path)
        found: Any = dict(zip(("args", "kwargs"), self._read()[:2], strict=True))
        for step in path.split("."):
            found = _step(found, step)
            if found is None:
                raise ArgumentUnknown(f"there is no {step!r}")
        return found

    def _refuse_hidden(self, path: str) -> None:
        message = self._message
        if message.sealed is not None or message.claim is not None:
            raise ArgumentUnknown("its message is sealed, or lies elsewhere, and is not opened for this")
        hidden = next((each for each in message.redacted if _overlap(path, each)), None)
        if hidden:
            raise ArgumentUnknown(f"{hidden} was redacted before it left the worker")

    def _read(self) -> list[Any]:
        if self._call is None:
            message = self._message
            try:
                self._call = call_of(message.body, message.content_type, message.content_encoding, message.headers)
            except NotReplaceable as error:
                raise ArgumentUnknown(str(error)) from error
        return self._call


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _step(found: Any, step: str) -> object:  # noqa: ANN401 - whatever JSON holds
    if isinstance(found, Mapping):
        return found.get(step)
    if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
        return found[int(step)]
    return None


def _wanted(field: str, value: object) -> object:
    """Give a value as a field of Constraints has it; raises ArgumentUnknown for one of another sort."""
    if field in ("regions", "capabilities"):
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list) and names and all(isinstance(each, str) and each for each in names):
            return tuple(names)
    elif field in _WORDS:
        if isinstance(value, str) and value:
            return value
    elif field == "context_tokens":
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    else:
        return _price(value)
    raise ArgumentUnknown(f"it holds {type(value).__name__}, which is no {field}")


def _price(value: object) -> Decimal:
    try:
        price = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        price = None
    if price is None or not price.is_finite() or price < 0:
        raise ArgumentUnknown("it holds no price")
    return price
