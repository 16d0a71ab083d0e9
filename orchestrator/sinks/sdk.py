"""The RudderStack SDK, as far as it is safe: its version and its request function. Nothing else imports it.

Importing the SDK runs `load_dotenv()`, which would take the first `.env` above the installed package (or, in an
interactive session, above the current folder) into this process's environment. python-dotenv leaves every file alone
while PYTHON_DOTENV_DISABLED is set: it is set for the length of this import, and then put back.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import local
from typing import TYPE_CHECKING, Any, Final

import requests

from orchestrator.domain.backoff import asked_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DISABLED: Final = "PYTHON_DOTENV_DISABLED"


@contextmanager
def _no_dotenv() -> Iterator[None]:
    before = os.environ.get(DISABLED)
    os.environ[DISABLED] = "1"
    try:
        yield
    finally:
        del os.environ[DISABLED]
        if before is not None:
            os.environ[DISABLED] = before


with _no_dotenv():
    from rudderstack.analytics import request as sdk
    from rudderstack.analytics.version import VERSION

# What the SDK's own builder puts into the context of every message.
LIBRARY: Final = {"name": "analytics-python", "version": VERSION}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the data plane answered: status, the beginning of its plain text, and Retry-After in seconds where given."""

    status: int
    text: str
    retry_after: float | None = None


class _Sessions:
    """Stands in for the SDK's one session: each thread of each process has its own, and remembers its last answer."""

    def __init__(self) -> None:
        self._own = local()

    def post(self, url: str, **arguments: Any) -> requests.Response:
        """Post without following redirects: a POST that was redirected arrives as a GET, and its events nowhere."""
        self._own.answer = None
        return self._session().post(url, allow_redirects=False, **arguments)

    def last_answer(self) -> Answer | None:
        """Give the answer to this thread's last post; None when none came."""
        return getattr(self._own, "answer", None)

    def _session(self) -> requests.Session:
        if getattr(self._own, "pid", None) != os.getpid():
            self._own.session, self._own.pid = requests.Session(), os.getpid()
            self._own.session.hooks["response"].append(self._remember)
        session: requests.Session = self._own.session
        return session

    def _remember(self, response: requests.Response, **_: Any) -> None:
        wait = asked_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
        self._own.answer = Answer(response.status_code, response.text[:200].strip(), wait)


_sessions = _Sessions()
sdk._session = _sessions  # noqa: SLF001 - the SDK offers no other way to a session of one's own


def post(url: str, write_key: str, messages: Sequence[Mapping[str, Any]], timeout_seconds: float) -> Answer:
    """Post a batch with the SDK's request function; raises requests.RequestException when no answer came."""
    try:
        response: requests.Response = sdk.post(write_key, url, timeout=timeout_seconds, batch=list(messages))
    except requests.RequestException:
        raise
    except Exception:
        # The SDK's word for any answer but 200: APIError, or KeyError where the body is not as it expects.
        answer = _sessions.last_answer()
        if answer is None:
            raise
        return answer
    return Answer(response.status_code, response.text)
