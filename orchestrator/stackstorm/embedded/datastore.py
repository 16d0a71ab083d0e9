"""The datastore: keys of the system and of users, some of them secret, some that expire; whoever listens is told."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.executions import USER
from orchestrator.stackstorm.embedded.marks import stable_id, timestamp
from orchestrator.stackstorm.embedded.vault import Unreadable, Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from orchestrator.stackstorm.embedded.store import Document, Store

SYSTEM: Final = "st2kv.system"
PERSONAL: Final = "st2kv.user"
EVERY: Final = "all"
ALLOWED: Final = ("system", "user", SYSTEM, PERSONAL)
KEY_FILE: Final = "datastore.key"


def full_scope(scope: str | None) -> str:
    """Give a scope's full name: `system` is st2kv.system, and the default; a name that no scope has stays odd."""
    if not scope:
        return SYSTEM
    return scope if scope == EVERY or "st2kv" in scope else f"st2kv.{scope}"


class Datastore:
    """Keys as documents in the API's shape, the values of secret ones encrypted. Threads may share it.

    Scopes are full names; a user's keys are seen with that user's name alone. `state` is the folder of the key file.
    """

    def __init__(self, store: Store, state: Path) -> None:
        self._rows = store.keys
        self._vault = Vault(state / KEY_FILE)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[str, Document], None]] = []

    def listen(self, listener: Callable[[str, Document], None]) -> None:
        """Call this after each change, on the thread of who made it.

        It is given what happened (create, update, value_change or delete) and the payload of the trigger
        core.st2.key_value_pair of that name.
        """
        self._listeners.append(listener)

    def get(self, name: str, scope: str = SYSTEM, user: str = USER, *, decrypt: bool = False) -> Document | None:
        """Give one key, or None for one that is not there or has expired; raises Unreadable."""
        document = self._rows.get(scope, _reference(name, scope, user), timestamp())
        return self._opened(document) if document and decrypt else document

    def list(self, prefix: str, scope: str = SYSTEM, user: str = USER, *, decrypt: bool = False) -> Sequence[Document]:
        """Give the keys whose names begin with a prefix, by name; raises Unreadable.

        Of `all` scopes the system's keys come first, then the user's.
        """
        scopes = (SYSTEM, PERSONAL) if scope == EVERY else (scope,)
        found: list[Document] = []
        for one in scopes:
            found += self._rows.beginning_with(one, _reference(prefix, one, user), timestamp())
        return [self._opened(document) for document in found] if decrypt else found

    def set(  # noqa: PLR0913 one for each thing that a key has
        self,
        name: str,
        value: str,
        scope: str = SYSTEM,
        user: str = USER,
        *,
        secret: bool = False,
        encrypted: bool = False,
        ttl: float | None = None,
    ) -> Document:
        """Set one key. `ttl` is in seconds; `encrypted` says that the value comes as this datastore shows secrets.

        Raises Unreadable for a value that is said to be encrypted and is not.
        """
        if encrypted:
            self._vault.decrypt(value)
        elif secret:
            value = self._vault.encrypt(value)
        reference, secret = _reference(name, scope, user), secret or encrypted
        document = _document(name, value, scope, user, secret=secret, ttl=ttl)
        with self._lock:
            old = self._rows.get(scope, reference, timestamp())
            self._rows.purge(timestamp())
            self._rows.put(scope, reference, document)
        self._tell_set(old, document)
        return document

    def delete(self, name: str, scope: str = SYSTEM, user: str = USER) -> bool:
        """Forget one key; tells whether it was there."""
        reference = _reference(name, scope, user)
        with self._lock:
            old = self._rows.get(scope, reference, timestamp())
            self._rows.delete(scope, reference)
        if old is not None:
            self._tell("delete", {"object": old})
        return old is not None

    def decrypt(self, value: str) -> str:
        """Give the text of an encrypted value; raises Unreadable."""
        return self._vault.decrypt(value)

    def encrypt(self, text: str) -> str:
        """Give a text as the value of a secret key holds it."""
        return self._vault.encrypt(text)

    def _opened(self, document: Document) -> Document:
        if not document["secret"]:
            return document
        return {**document, "value": self._vault.decrypt(document["value"]), "encrypted": False}

    def _tell_set(self, old: Document | None, new: Document) -> None:
        self._tell("update" if old else "create", {"object": new})
        if old and old["value"] != new["value"]:
            self._tell("value_change", {"old_object": old, "new_object": new})

    def _tell(self, what: str, payload: Document) -> None:
        for listener in self._listeners:
            listener(what, payload)


def _reference(name: str, scope: str, user: str) -> str:
    return f"{user}:{name}" if scope == PERSONAL else name


def _document(  # noqa: PLR0913 as the method that it serves
    name: str, value: str, scope: str, user: str, *, secret: bool, ttl: float | None
) -> Document:
    uid = f"key_value_pair:{scope}:{_reference(name, scope, user)}"
    document: dict[str, Any] = {"uid": uid, "scope": scope, "name": name, "value": value, "secret": secret}
    if ttl:
        document["expire_timestamp"] = timestamp(time.time() + ttl)
    document |= {"user": user} if scope == PERSONAL else {}
    return document | {"id": stable_id(uid), "encrypted": secret}


__all__ = ["ALLOWED", "EVERY", "PERSONAL", "SYSTEM", "Datastore", "Unreadable", "full_scope"]
