"""What a failure can be found by beside its task: whose work it was, and the arguments that its declaration lets out.

A value that a redaction rule names, or in which a secret stands, is not let out; nor is one that is no scalar, or too
long to be compared as a whole.
"""

from __future__ import annotations

from base64 import b64decode
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from eventbus import scope, scrub
from eventbus.redaction import REDACTED, without
from eventbus.vocabulary import CONTEXT_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from eventbus.redaction import Redaction

LONGEST: Final = 255
_NOWHERE: Final = object()


def found_by(
    message: Mapping[str, Any], declaration: Mapping[str, Any], redaction: Redaction, hidden: AbstractSet[str]
) -> dict[str, Any]:
    """Give what the event of a failure adds to be found by: nothing, where nothing is known or declared.

    `message` is as redacted, not yet sealed; `hidden` are the texts of what was redacted. Raises what a serializer
    raises.
    """
    organization = scope.incoming(message["headers"].get(CONTEXT_HEADER)).get("organization_id")
    told: dict[str, Any] = {"organization_id": organization} if organization else {}
    names = declaration.get("search") or ()
    if names and message["body"]:
        body = b64decode(message["body"])
        call = redaction.call(body, message["content_type"], message["content_encoding"])
        arguments = _arguments(call, names, declaration.get("positions") or {}, message.get("redacted") or ())
        clean = {name: value for name, value in arguments.items() if scrub.text(without(value, hidden)) == value}
        told |= {"arguments": clean} if clean else {}
    return told


def _arguments(
    call: Mapping[str, Any], names: Any, positions: Mapping[str, int | None], redacted: Any  # noqa: ANN401 - lists of names
) -> dict[str, str]:  # fmt: skip
    found = {}
    for name in names:
        at = positions.get(name)
        paths = {f"kwargs.{name}", f"args.{at}"}
        if any(_overlap(path, each) for path in redacted for each in paths):
            continue
        text = text_of(_passed(call, name, at))
        if text is not None and text != REDACTED and len(text) <= LONGEST and "\0" not in text:
            found[name] = text
    return found


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _passed(call: Mapping[str, Any], name: str, at: int | None) -> object:
    args, kwargs = call.get("args") or (), call.get("kwargs") or {}
    if not isinstance(args, list | tuple) or not isinstance(kwargs, dict):
        return _NOWHERE
    if name in kwargs:
        return kwargs[name]
    return args[at] if at is not None and at < len(args) else _NOWHERE


def text_of(value: object) -> str | None:
    """Give a scalar as text, a truth value as JSON has it; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | int | float | Decimal | UUID):
        return str(value).encode(errors="replace").decode()
    return None
