"""Who asks: the operator's one API key, the keys and tokens that requests made, the tokens of running actions.

Without an operator's key nobody of this machine needs any; a token or key that is known still says whose request it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded import nearby
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.executions import USER
from orchestrator.stackstorm.embedded.marks import new_id, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.stackstorm.embedded.store import Document, Store

LONGEST_TTL: Final = 86_400


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brings: a token, an API key, or neither; and its headers Host and Origin."""

    token: str | None = None
    api_key: str | None = None
    host: str | None = None
    origin: str | None = None


class Access:
    """Lets requests in. `others` each give the user of a token, or None for one that they do not know."""

    def __init__(self, store: Store, api_key: str | None, others: Sequence[Callable[[str], str | None]] = ()) -> None:
        self._api_keys = store.api_keys
        self._operators_key = api_key
        self._tokens: dict[str, tuple[str, float]] = {}
        self._others = [self._user_of_token, *others]
        self._lock = threading.Lock()

    @property
    def closed(self) -> bool:
        """Tell whether a request needs a token or a key."""
        return self._operators_key is not None

    def user(self, given: Credentials) -> str:
        """Give the user that a request is made for; raises Fault 401, or 403 for one of a stranger's page."""
        if self._operators_key is None:
            nearby.check(given.host, given.origin)
        if given.token or given.api_key:
            found = self._user_of(given)
        elif self._operators_key is not None:
            raise Fault(401, "Unauthorized - One of Token or API key required.")
        else:
            return USER
        if found is None and self._operators_key is not None:
            raise Fault(401, "Unauthorized")
        return found or USER

    def log_in(self, authorization: str, ttl: int | None) -> Document:
        """Make a token for whoever knows the operator's key as a password (HTTP basic); raises Fault 401 or 400.

        Without an operator's key every user and password will do: nothing here is closed then.
        """
        kind, _, encoded = authorization.partition(" ")
        try:
            user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            user = colon = password = ""
        if kind.lower() != "basic" or not colon or not user:
            raise Fault(401, "Invalid or missing credentials")
        if self._operators_key is not None and not _same(password, self._operators_key):
            raise Fault(401, "Invalid or missing credentials")
        if ttl is not None and ttl > LONGEST_TTL:
            raise Fault(400, f"TTL specified {ttl} is greater than max allowed {LONGEST_TTL}.")
        return self._new_token(user, ttl or LONGEST_TTL)

    def new_api_key(self, user: str, metadata: dict[str, Any], *, enabled: bool) -> tuple[Document, str]:
        """Make an API key; gives what is stored, and the key itself, which nobody can look up again."""
        key = base64.b64encode(secrets.token_bytes(48)).decode()
        hash_ = _hash(key)
        document: Document = {
            "uid": f"api_key:{hash_}",
            "user": user,
            "key_hash": hash_,
            "metadata": metadata,
            "created_at": timestamp(),
            "enabled": enabled,
            "id": new_id(),
        }
        self._api_keys.put(document)
        return document, key

    def _user_of(self, given: Credentials) -> str | None:
        if given.token:
            return next((user for known in self._others if (user := known(given.token))), None)
        key = given.api_key or ""
        if self._operators_key is not None and _same(key, self._operators_key):
            return USER
        found = self._api_keys.with_hash(_hash(key))
        return found["user"] if found and found["enabled"] else None

    def _new_token(self, user: str, ttl: int) -> Document:
        token, now = secrets.token_hex(16), time.time()
        with self._lock:
            self._tokens = {key: held for key, held in self._tokens.items() if held[1] > now}
            self._tokens[token] = (user, now + ttl)
        expiry = timestamp(now + ttl)
        return {"user": user, "token": token, "expiry": expiry, "metadata": {}, "service": False, "id": new_id()}

    def _user_of_token(self, token: str) -> str | None:
        user, expiry = self._tokens.get(token, ("", 0.0))
        return user if expiry > time.time() else None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _hash(key: str) -> str:
    """Hash a key that is 48 random bytes: nothing can be guessed, so that one round is enough to look it up by."""
    return hashlib.sha512(key.encode()).hexdigest()
