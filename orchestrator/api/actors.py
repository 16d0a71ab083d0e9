"""Actors: who asks, by the name of their token; and for whom, where somebody asks in another's place."""

from __future__ import annotations

import hmac
import json
import re
import tomllib
from typing import TYPE_CHECKING, Final

from orchestrator.domain.auditing import RECONCILER, REDRIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

UNAUTHENTICATED: Final = "unauthenticated on loopback"
# The name of the one token that has none of its own.
THE_TOKEN: Final = "token"  # noqa: S105 - a name, no secret
ON_BEHALF_OF: Final = "Redrive-On-Behalf-Of"
LONGEST_NAME: Final = 100
# What the audit calls those who are no persons.
TAKEN: Final = frozenset({REDRIVE, RECONCILER, THE_TOKEN})
_NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,60}")


class NameRefused(Exception):
    """Somebody asks for another one whose name cannot be shown."""


def read_tokens(text: str) -> dict[str, str]:
    """Read a table of names and tokens, JSON or TOML; raises ValueError, never telling a token."""
    table = _table(text.strip())
    for place, (name, token) in enumerate(table.items(), 1):
        # By its place: whoever has put a token where its name belongs finds it in no log.
        if not _NAME.fullmatch(name) or name in TAKEN:
            wanted = f"letters, digits, _ . @ -, 60 at most, none of {', '.join(sorted(TAKEN))}"
            raise ValueError(f"expected names of {wanted}; got another thing at place {place}")
        if not isinstance(token, str) or not token.strip():
            raise ValueError(f"expected a token as text, got another thing or none at place {place}")
    tokens = {name: str(token).strip() for name, token in table.items()}
    if len(set(tokens.values())) < len(tokens):
        raise ValueError("expected a token for each name, got one for two names: nobody could tell who asks")
    return tokens


def _table(text: str) -> dict[str, object]:
    if not text:
        return {}
    try:
        found = json.loads(text) if text.startswith("{") else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError):
        raise ValueError('expected {"name": "token"} as JSON, or lines of name = "token" as TOML') from None
    table: dict[str, object] = found  # JSON that begins with a brace is an object
    return table


def actor_of(authorization: str, tokens: Mapping[str, str], behalf: str | None) -> str | None:
    """Name who asks: by their token, and for whom; None where a token is wanted, and none of these came.

    Every token is compared with, in constant time each. Raises NameRefused.
    """
    by = _by(authorization, tokens)
    if by is None or behalf is None:
        return by
    return f"{_checked(behalf)} via {by}"


def _by(authorization: str, tokens: Mapping[str, str]) -> str | None:
    if not tokens:
        return UNAUTHENTICATED
    scheme, _, given = authorization.partition(" ")
    found = None
    for name, token in tokens.items():
        if hmac.compare_digest(given.encode(), token.encode()) and scheme.lower() == "bearer":
            found = name
    return found


def _checked(behalf: str) -> str:
    name = _decoded(behalf).strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise NameRefused(
            f"expected a printable name of 1 to {LONGEST_NAME} characters in {ON_BEHALF_OF}, got {name[:20]!r}"
        )
    return name


def _decoded(header: str) -> str:
    """Read a header as UTF-8, which it is sent as, where it is that: HTTP's servers take it for Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
