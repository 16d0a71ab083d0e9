"""Exception types by name: `ValueError`, `requests.exceptions.HTTPError`."""

from __future__ import annotations

import builtins
from difflib import get_close_matches
from importlib import import_module


def exception_type(given: object) -> type[BaseException]:
    """Give the exception class that is given itself or by its dotted name; raises ValueError or TypeError."""
    found = _named(given) if isinstance(given, str) else given
    if not isinstance(found, type) or not issubclass(found, BaseException):
        raise TypeError(f"expected `never` to name exception classes, got {given!r}")
    return found


def _named(name: str) -> object:
    """Import what a dotted name leads to; one without a dot is a builtin."""
    if "." not in name:
        return _attribute(builtins, name, name)
    parts, why = name.split("."), ""
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: object = import_module(".".join(parts[:length]))
        except Exception as error:  # noqa: BLE001 - a module that is imported may raise anything
            why = why or repr(error)
            continue
        for part in parts[length:]:
            found = _attribute(found, part, name)
        return found
    raise ValueError(f"expected `never` to name exceptions that can be imported, got {name!r}: {why}")


def _attribute(owner: object, part: str, name: str) -> object:
    try:
        return getattr(owner, part)
    except AttributeError:
        close = get_close_matches(part, dir(owner), n=1)
        meant = f" (meant: {close[0]}?)" if close else ""
        raise ValueError(f"expected `never` to name exceptions that can be imported, got {name!r}{meant}") from None
