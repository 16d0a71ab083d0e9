"""What lets us into StackStorm: an API key, or a user and a password that give tokens, renewed before they expire."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from orchestrator.domain.errors import Unauthorised
from orchestrator.stackstorm.call import WHAT, Call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    Send = Callable[[Call], requests.Response]

# Seconds before its expiry at which a token is no longer used.
BEFORE_EXPIRY: Final = 60.0


class Credentials(Protocol):
    """Who we are, as headers say it."""

    def headers(self, send: Send) -> Mapping[str, str]:
        """Give the headers for a call; `send` makes the call that a new token needs."""

    def renew(self) -> bool:
        """Forget what was refused with 401; tells whether asking again may help."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that never changes, or none."""

    key: str | None = field(repr=False)

    def headers(self, _send: Send) -> Mapping[str, str]:
        """Give the key's header."""
        return {"St2-Api-Key": self.key} if self.key else {}

    def renew(self) -> bool:
        """Tell that a refused key stays refused."""
        return False


class Login:
    """A user and a password. `auth_url` is the folder of /tokens, as ST2_AUTH_URL names it. Threads may share it."""

    def __init__(self, auth_url: str, user: str, password: str, clock: Callable[[], float] = time.time) -> None:
        self._url = f"{auth_url.rstrip('/')}/tokens"
        self._basic = (user, password)
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._use_until = 0.0

    def headers(self, send: Send) -> Mapping[str, str]:
        """Give the header of a token that has not expired; asks for a new one where there is none."""
        with self._lock:
            if self._token is None or self._clock() >= self._use_until:
                self._token, self._use_until = self._ask(send)
            return {"X-Auth-Token": self._token}

    def renew(self) -> bool:
        """Forget the token."""
        with self._lock:
            self._token = None
        return True

    def _ask(self, send: Send) -> tuple[str, float]:
        headers = {"Content-Type": "application/json"}
        answer = send(Call("POST", self._url, headers, data=b"{}", basic=self._basic))
        try:
            told = json.loads(answer.content)
            token, expiry = str(told["token"]), datetime.fromisoformat(told["expiry"]).timestamp()
        except (ValueError, KeyError, TypeError) as error:
            raise Unauthorised(WHAT, f"expected a token from {self._url}, got {answer.status_code}") from error
        now = self._clock()
        # Of a token that lives no longer than that, half its life is used.
        return token, max(expiry - BEFORE_EXPIRY, now + (expiry - now) / 2)
