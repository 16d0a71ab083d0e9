"""The datastore as a test sees it: a mapping of the system's keys."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from orchestrator.stackstorm.testing.calls import Refused

if TYPE_CHECKING:
    from orchestrator.stackstorm.testing.calls import Calls

NOT_FOUND = 404


class Keys(MutableMapping[str, str]):
    """`keys["name"] = "value"`, `keys["name"]`, `del keys["name"]`, `"name" in keys`; secrets are read decrypted."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def set(self, name: str, value: str, *, secret: bool = False, ttl: int | None = None) -> None:
        """Set a key; a secret is stored encrypted. `ttl` is in seconds."""
        body = {"name": name, "value": value, "scope": "system", "secret": secret}
        self._calls.put(f"/keys/{quote(name, safe='')}", body | ({"ttl": ttl} if ttl else {}))

    def __getitem__(self, name: str) -> str:
        try:
            return str(self._calls.get(f"/keys/{quote(name, safe='')}", scope="system", decrypt="true")["value"])
        except Refused as refused:
            if refused.status == NOT_FOUND:
                raise KeyError(name) from None
            raise

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        try:
            self._calls.delete(f"/keys/{quote(name, safe='')}", scope="system")
        except Refused as refused:
            if refused.status == NOT_FOUND:
                raise KeyError(name) from None
            raise

    def __iter__(self) -> Iterator[str]:
        return iter([key["name"] for key in self._calls.get("/keys", scope="system", limit=-1)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def forget(self) -> None:
        """Forget every key, those of users too."""
        for key in self._calls.get("/keys", scope="all", limit=-1):
            of_user = {"scope": "user", "user": key["user"]} if key.get("user") else {"scope": "system"}
            name = key["name"].split(":", 1)[-1] if key.get("user") else key["name"]
            self._calls.delete(f"/keys/{quote(name, safe='')}", **of_user)
