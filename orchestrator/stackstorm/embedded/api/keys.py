"""The datastore: keys of the system scope, in plain text. Secrets are refused: nothing here can encrypt them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.marks import stable_id, timestamp

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.store import Document, Store

SCOPE = "st2kv.system"


class KeyRoutes:
    """GET, PUT and DELETE of /keys."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [
            ("GET", "/keys", self.list),
            ("GET", "/keys/{}", self.get),
            ("PUT", "/keys/{}", self.put),
            ("DELETE", "/keys/{}", self.delete),
        ]

    def list(self, request: Request) -> Response:
        """Answer the keys that begin with `prefix`."""
        _only_system(request.query.get("scope", "system"))
        limit = int(request.query.get("limit", 100))
        return Response(200, self._store.keys(request.query.get("prefix", ""), timestamp())[:limit])

    def get(self, request: Request, name: str) -> Response:
        """Answer one key."""
        _only_system(request.query.get("scope", "system"))
        return Response(200, self._find(name))

    def put(self, request: Request, name: str) -> Response:
        """Set one key; `ttl` is in seconds."""
        asked = request.body if isinstance(request.body, dict) else {}
        _only_system(asked.get("scope", "system"))
        if asked.get("secret"):
            raise Fault(501, "encrypted keys are not supported by the embedded StackStorm")
        if "value" not in asked:
            raise Fault(400, "'value' is a required property")
        uid = f"key_value_pair:{SCOPE}:{name}"
        document: Document = {"uid": uid, "scope": SCOPE, "name": name, "value": asked["value"], "secret": False}
        if asked.get("ttl"):
            document["expire_timestamp"] = _in_seconds(float(asked["ttl"]))
        document |= {"id": stable_id(uid), "encrypted": False}
        self._store.put_key(SCOPE, document)
        return Response(200, document)

    def delete(self, request: Request, name: str) -> Response:
        """Forget one key."""
        _only_system(request.query.get("scope", "system"))
        self._find(name)
        self._store.delete_key(SCOPE, name)
        return Response(204)

    def _find(self, name: str) -> Document:
        document = self._store.key(SCOPE, name, timestamp())
        if document is None:
            raise Fault(404, f'The key "{name}" does not exist in the StackStorm datastore.')
        return document


def _only_system(scope: str) -> None:
    if scope not in ("system", SCOPE, "all"):
        raise Fault(501, f"the scope {scope!r} is not supported by the embedded StackStorm; use system")


def _in_seconds(seconds: float) -> str:
    return timestamp(time.time() + seconds)
