"""Who may ask: tokens for passwords, API keys, the user that a request is made for; and the service registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.api import lists
from orchestrator.stackstorm.embedded.api.bodies import checked
from orchestrator.stackstorm.embedded.api.http import TOKENS, Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.masking import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.access import Access
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.store import Document, Store

KEYS_PAGE = 50
_NEW_TOKEN: Mapping[str, Any] = {"type": "object", "properties": {"ttl": {"type": ["integer", "null"], "minimum": 1}}}
_NEW_KEY: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "user": {"type": ["string", "null"]},
        "metadata": {"type": ["object", "null"]},
        "enabled": {"type": "boolean"},
    },
}


class AccessRoutes:
    """Tokens, API keys, the user."""

    def __init__(self, access: Access, store: Store) -> None:
        self._access = access
        self._rows = store.api_keys

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("POST", TOKENS, self.log_in),
            ("GET", "/user", self.user),
            ("GET", "/apikeys", self.keys),
            ("POST", "/apikeys", self.create),
            ("GET", "/apikeys/{}", self.key),
            ("PUT", "/apikeys/{}", self.change),
            ("DELETE", "/apikeys/{}", self.delete),
            ("GET", "/service_registry/groups", lambda _request: Response(200, {"groups": []})),
            ("GET", "/service_registry/groups/{}/members", self.members),
        ]

    def log_in(self, request: Request) -> Response:
        """Answer a token for a user and a password, sent as HTTP basic; `ttl` is in seconds."""
        asked = checked(request.body, _NEW_TOKEN)
        return Response(201, self._access.log_in(request.headers.get("Authorization", ""), asked.get("ttl")))

    def user(self, request: Request) -> Response:
        """Answer the user of a request; 500 where nobody needs a key, as a StackStorm without authentication does."""
        if not self._access.closed:
            raise Fault(500, "Internal Server Error")
        method = "authentication token" if request.headers.get("X-Auth-Token") else "API key"
        return Response(
            200,
            {
                "username": request.user,
                "authentication": {"method": method, "location": "header"},
                "rbac": {"enabled": False, "roles": [], "is_admin": True},
            },
        )

    def keys(self, request: Request) -> Response:
        """Answer the API keys, masked."""
        query: dict[str, str] = {"limit": str(KEYS_PAGE), **request.query}
        wanted = lists.filtered(self._rows.all(), query, ("user",))
        return lists.paged([_shown(key, request) for key in wanted], query)

    def create(self, request: Request) -> Response:
        """Make an API key; this answer is the only one that ever shows it."""
        asked = checked(request.body, _NEW_KEY)
        document, key = self._access.new_api_key(
            asked.get("user") or request.user, asked.get("metadata") or {}, enabled=asked.get("enabled", True)
        )
        shown = {name: value for name, value in document.items() if name != "key_hash"}
        return Response(201, shown | {"key": key})

    def key(self, request: Request, id_: str) -> Response:
        """Answer one API key, masked."""
        return Response(200, _shown(self._find(id_), request))

    def change(self, request: Request, id_: str) -> Response:
        """Enable or disable an API key, or change what is noted of it."""
        asked, old = checked(request.body, _NEW_KEY), self._find(id_)
        document = old | {name: asked[name] for name in ("user", "metadata", "enabled") if name in asked}
        self._rows.put(document)
        return Response(200, _shown(document, request))

    def delete(self, _request: Request, id_: str) -> Response:
        """Forget an API key: it opens nothing any more."""
        self._rows.delete(self._find(id_)["id"])
        return Response(204)

    def members(self, _request: Request, group: str) -> Response:
        """Answer that no group is there: the embedded one is one process, and registers nothing."""
        raise Fault(404, f'Group with ID "{group}" not found.')

    def _find(self, id_: str) -> Document:
        found = self._rows.one(id_)
        if found is None:
            raise Fault(404, f"ApiKey matching {id_} for reference and id not found.")
        return found


def _shown(document: Document, request: Request) -> Document:
    if lists.truth(request.query.get("show_secrets")):
        return document
    return {**document, "uid": MASK, "key_hash": MASK}
