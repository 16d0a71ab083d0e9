"""The datastore's keys: set, shown, listed, deleted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.api import lists
from orchestrator.stackstorm.embedded.api.bodies import checked
from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.datastore import ALLOWED, EVERY, PERSONAL, SYSTEM, Unreadable, full_scope
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.executions import USER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.datastore import Datastore

_CENTURY: Final = 3_155_760_000
_ASKED: Mapping[str, Any] = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {
        **{name: {"type": "string"} for name in ("id", "name", "value", "scope")},
        **{name: {"type": "boolean"} for name in ("secret", "encrypted")},
        "ttl": {"type": "integer", "minimum": -_CENTURY, "maximum": _CENTURY},
        "user": {"type": ["string", "null"]},
    },
}


class KeyRoutes:
    """GET, PUT and DELETE of /keys."""

    def __init__(self, keys: Datastore) -> None:
        self._keys = keys

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/keys", self.list),
            ("GET", "/keys/{}", self.get),
            ("PUT", "/keys/{}", self.put),
            ("DELETE", "/keys/{}", self.delete),
        ]

    def list(self, request: Request) -> Response:
        """Answer the keys that begin with `prefix`, of one scope or of all; without the headers of a page."""
        scope, user = _place(request.query)
        if scope != EVERY and scope not in ALLOWED:
            raise Fault(400, f"Invalid scope: {scope}")
        limit, offset = lists.window(request.query)
        with _readable():
            found = self._keys.list(request.query.get("prefix", ""), scope, user, decrypt=_decrypt(request))
        if "name" in request.query:
            found = [key for key in found if key["name"] == request.query["name"]]
        return Response(200, found[offset:] if limit == lists.ALL else found[offset : offset + limit])

    def get(self, request: Request, name: str) -> Response:
        """Answer one key, its value decrypted where the query asks for that."""
        scope, user = _one_place(request.query)
        with _readable():
            document = self._keys.get(name, scope, user, decrypt=_decrypt(request))
        if document is None:
            raise _missing(name, scope, user)
        return Response(200, document)

    def put(self, request: Request, name: str) -> Response:
        """Set one key; `ttl` is in seconds."""
        asked = checked(request.body, _ASKED)
        scope = _allowed(full_scope(asked.get("scope") or request.query.get("scope")))
        flags = {flag: asked.get(flag, False) for flag in ("secret", "encrypted")}
        try:
            document = self._keys.set(
                name, asked["value"], scope, asked.get("user") or USER, **flags, ttl=asked.get("ttl")
            )
        except Unreadable:
            raise Fault(
                400,
                f'Failed to verify the integrity of the provided value for key "{name}". Ensure that the value is '
                "encrypted with the correct key and not corrupted.",
            ) from None
        return Response(200, document)

    def delete(self, request: Request, name: str) -> Response:
        """Forget one key."""
        scope, user = _one_place(request.query)
        if not self._keys.delete(name, scope, user):
            raise _missing(name, scope, user)
        return Response(204)


def _place(query: Mapping[str, str]) -> tuple[str, str]:
    """Give the scope and the user that a query means; one that names a user means that user's keys."""
    user = query.get("user")
    return PERSONAL if user else full_scope(query.get("scope")), user or USER


def _one_place(query: Mapping[str, str]) -> tuple[str, str]:
    scope, user = _place(query)
    return _allowed(SYSTEM if scope == EVERY else scope), user


def _allowed(scope: str) -> str:
    scope = SYSTEM if scope == EVERY else scope
    if scope not in ALLOWED:
        raise Fault(400, f"Scope {scope} is not in allowed scopes list: {list(ALLOWED)}.")
    return scope


def _decrypt(request: Request) -> bool:
    return lists.truth(request.query.get("decrypt"))


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise Fault(400, f"{error}; set the key again, or bring back the key file that encrypted it") from None


def _missing(name: str, scope: str, user: str) -> Fault:
    reference = f"{user}:{name}" if scope == PERSONAL else name
    return Fault(404, f'The key "{reference}" does not exist in the StackStorm datastore.')
