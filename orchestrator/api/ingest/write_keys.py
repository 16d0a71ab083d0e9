"""Write keys: what an SDK of RudderStack names itself with, and the source that each stands for."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# The source of whoever posts where no keys are set and no token is asked for.
ANYONE: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class WrongKey(Exception):
    """The request names no write key, or one that is not known."""


def read_keys(text: str) -> dict[str, str]:
    """Read `name=key,name=key`; gives the source's name of each key. Raises ValueError, never telling a key."""
    keys: dict[str, str] = {}
    for number, part in enumerate((each for each in text.split(",") if each.strip()), 1):
        name, found, key = (each.strip() for each in part.partition("="))
        if not found or not key or not _NAME.fullmatch(name):
            raise ValueError(f"expected name=key, separated by commas, got another thing at place {number}")
        if key in keys:
            raise ValueError(f"expected a key for one source only, got that of {keys[key]} for {name} again")
        keys[key] = name
    return keys


def source_of(authorization: str, keys: Mapping[str, str], *, open_to_all: bool) -> str:
    """Name the source of a request by its Basic credentials, whose user is the write key.

    Where no keys are set, an API that is open to all takes anyone's, and another nobody's. Raises WrongKey.
    """
    if not keys and open_to_all:
        return ANYONE
    given = _user(authorization)
    if not given:
        raise WrongKey("Failed to read writeKey from header")
    for key, name in keys.items():
        if hmac.compare_digest(given.encode(), key.encode()):
            return name
    raise WrongKey("Invalid Write Key")


def _user(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(encoded.strip(), validate=True).decode().partition(":")[0]
    except ValueError:
        return ""
