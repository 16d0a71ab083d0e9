"""The datastore, as an action reads and writes it over the API."""

from __future__ import annotations

import importlib
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

SYSTEM_SCOPE = "system"
NOT_FOUND = 404
PAGE = 100
PATIENCE = 30.0


class KeyValuePair:
    """One key of the datastore; its attributes are the members of the API's answer."""

    def __init__(self, document: Any) -> None:
        self.__dict__.update(document)


class ActionDatastoreService:
    """Keys of the system scope. A local key is one of the pack and the class: `<pack>.<Class>:<name>`."""

    DATASTORE_NAME_SEPARATOR = ":"

    def __init__(self, logger: Any, pack_name: str, class_name: str, auth_token: Any) -> None:
        self._logger = logger
        self._prefix = f"{pack_name}.{class_name}{self.DATASTORE_NAME_SEPARATOR}"
        self._auth_token = auth_token
        # The API is on this machine, or where the operator says: never behind a proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get_user_info(self) -> Any:
        """Give what the API knows of the user."""
        return self._ask("GET", "/user", {})

    def list_values(self, local: bool = True, prefix: Any = None, limit: Any = None, offset: Any = 0) -> Any:
        """Give the keys that begin with a prefix."""
        whole = self._prefix + (prefix or "") if local else prefix
        query = {"prefix": whole, "limit": limit or PAGE, "offset": offset}
        return [KeyValuePair(found) for found in self._ask("GET", "/keys", query)]

    def get_value(self, name: str, local: bool = True, scope: str = SYSTEM_SCOPE, decrypt: bool = False) -> Any:
        """Give the value of a key; None where there is none, or where it cannot be read: the log says why."""
        path = self._path(name, local, scope)
        try:
            return self._ask("GET", path, {"decrypt": str(decrypt).lower(), "scope": scope})["value"]
        except Exception as error:
            if not (isinstance(error, urllib.error.HTTPError) and error.code == NOT_FOUND):
                self._logger.exception("The key %s cannot be read from the datastore", path)
            return None

    def set_value(
        self,
        name: str,
        value: Any,
        ttl: Any = None,
        local: bool = True,
        scope: str = SYSTEM_SCOPE,
        encrypt: bool = False,
    ) -> bool:
        """Set a key to the text of a value."""
        whole = self._prefix + name if local else name
        body = {"name": whole, "value": str(value), "scope": scope}  # type: dict[str, Any]
        if encrypt:
            body["secret"] = True
        if ttl:
            body["ttl"] = ttl
        self._ask("PUT", self._path(name, local, scope), {}, body)
        return True

    def delete_value(self, name: str, local: bool = True, scope: str = SYSTEM_SCOPE) -> bool:
        """Forget a key; False where that fails: the log says why."""
        path = self._path(name, local, scope)
        try:
            self._ask("DELETE", path, {"scope": scope})
        except Exception as error:
            if not (isinstance(error, urllib.error.HTTPError) and error.code == NOT_FOUND):
                self._logger.exception("The key %s cannot be deleted from the datastore", path)
                return False
        return True

    def get_api_client(self) -> Any:
        """Give st2client's own client for this API; raises ImportError where the interpreter has no st2client."""
        try:
            client = importlib.import_module("st2client.client")
        except ImportError as error:
            raise ImportError(
                f"get_api_client() needs st2client in the interpreter that runs this pack's actions: {error}"
            ) from None
        return client.Client(api_url=os.environ["ST2_ACTION_API_URL"], token=self._auth_token)

    def _path(self, name: str, local: bool, scope: str) -> str:
        if scope != SYSTEM_SCOPE:
            raise ValueError(f"Scope {scope} is unsupported.")
        return "/keys/" + urllib.parse.quote(self._prefix + name if local else name, safe=":")

    def _ask(self, method: str, path: str, query: Any, body: Any = None) -> Any:
        asked = {name: value for name, value in query.items() if value is not None}
        url = os.environ["ST2_ACTION_API_URL"] + path + ("?" + urllib.parse.urlencode(asked) if asked else "")
        data = None if body is None else json.dumps(body).encode()
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data, head, method=method)  # noqa: S310 the server gives the URL
        if self._auth_token:
            request.add_header("X-Auth-Token", self._auth_token)
        with self._opener.open(request, timeout=PATIENCE) as answer:
            raw = answer.read()
        return json.loads(raw) if raw else None
