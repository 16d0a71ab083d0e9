"""The RudderStack SDK, as far as it is safe: its version and its request function. Nothing else imports it.

Importing the SDK runs `load_dotenv()`, which would take the first `.env` above the installed package (or, in an
interactive session, above the current folder) into this process's environment. python-dotenv leaves every file alone
while PYTHON_DOTENV_DISABLED is set: it is set for the length of this import, and then put back.

Its request function writes the batch with `json` and packs it with gzip at level 9, at four times the cost of what the
batch needs. A batch that is written already (`Written`) passes through both as it is and is packed at level 1; whatever
else goes through them goes as before. URL, headers, authentication and the reading of the answer stay the SDK's.
"""

from __future__ import annotations

import json
import os
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import local
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import requests

from orchestrator.domain.backoff import asked_seconds
from orchestrator.sinks.posting import session, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DISABLED: Final = "PYTHON_DOTENV_DISABLED"
GZIP_WINDOW: Final = 31
FASTEST: Final = 1


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


@dataclass(frozen=True, slots=True)
class Written:
    """The messages of a batch, each as JSON."""

    messages: Sequence[bytes]

    def body(self, sent_at: str) -> bytes:
        """Give the body of the request, its keys in the SDK's order."""
        return b'{"batch": [' + b",".join(self.messages) + b'], "sentAt": ' + json.dumps(sent_at).encode() + b"}"


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
            self._own.session, self._own.pid = session(), os.getpid()
            self._own.session.hooks["response"].append(self._remember)
        kept: requests.Session = self._own.session
        return kept

    def _remember(self, response: requests.Response, **_: Any) -> None:
        wait = asked_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
        self._own.answer = Answer(response.status_code, words(response), wait)


def _write(body: dict[str, Any], **how: Any) -> str | bytes:
    batch = body.get("batch")
    return batch.body(body["sentAt"]) if isinstance(batch, Written) else json.dumps(body, **how)


def _pack(data: str | bytes) -> bytes:
    if isinstance(data, bytes):
        return zlib.compress(data, FASTEST, GZIP_WINDOW)
    packed: bytes = _pack_as_before(data)
    return packed


_sessions = _Sessions()
_pack_as_before = sdk._gzip_json  # noqa: SLF001 - the SDK offers no other way to pack faster
sdk._session = _sessions  # noqa: SLF001 - the SDK offers no other way to a session of one's own
sdk._gzip_json = _pack  # noqa: SLF001 - as above
sdk.json = SimpleNamespace(dumps=_write, JSONEncoder=json.JSONEncoder)


def post(url: str, write_key: str, messages: Sequence[bytes], timeout_seconds: float) -> Answer:
    """Post messages with the SDK's request function; raises requests.RequestException when no answer came."""
    try:
        response: requests.Response = sdk.post(write_key, url, timeout=timeout_seconds, batch=Written(messages))
    except requests.RequestException:
        raise
    except Exception:
        # The SDK's word for any answer but 200: APIError, or KeyError where the body is not as it expects.
        answer = _sessions.last_answer()
        if answer is None:
            raise
        return answer
    return Answer(response.status_code, words(response))
