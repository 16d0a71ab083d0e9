"""Speaking to a running orchestrator's API, and showing what it says, made safe for a terminal."""

from __future__ import annotations

import json
import os
import unicodedata
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from orchestrator.domain.errors import DependencyUnreachable, RedriveError, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

TIMEOUT = 10
# Of a stream nothing but heartbeats may come for this long.
SILENCE = 60
DEFAULT_API = "http://127.0.0.1:8400"
Api = Annotated[str, typer.Option("--api", envvar="REDRIVE_API_URL", help="The orchestrator's address.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as data.")]
# Control characters, and those that turn the direction of text or are not seen (Unicode categories Cc and Cf).
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def safe(text: object) -> str:
    """Give text that came from elsewhere so that a terminal only shows it: what would steer it is shown as its code."""
    return "".join(each if unicodedata.category(each) not in HIDDEN else _code(each) for each in str(text))


def _code(each: str) -> str:
    return f"\\x{ord(each):02x}" if ord(each) < 0x100 else f"\\u{ord(each):04x}"  # noqa: PLR2004 - two digits hold no more


def shown(words: object) -> None:
    """Print a line of data on stdout, made safe."""
    typer.echo(safe(words))


def told(words: object) -> None:
    """Print a notice on stderr, made safe."""
    typer.echo(f"redrive: {safe(words)}", err=True)


def as_data(content: object) -> None:
    """Print data as JSON, whose encoder escapes whatever a terminal would obey."""
    typer.echo(json.dumps(content, indent=2))


def path_of(*parts: str) -> str:
    """Give a path of the API; each part is one segment, whatever characters it has."""
    return "/api/v1/" + "/".join(quote(each, safe="") for each in parts)


def call(method: str, api: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    """Ask the API; raises DependencyUnreachable when nobody answers, RedriveError with the problem it names."""
    with _asked(method, f"{api}{path}", json=body, headers=headers, timeout=TIMEOUT) as answer:
        content: dict[str, Any] = answer.json()
        return content


def failure_of(api: str, failure_id: str) -> dict[str, Any]:
    """Ask for a failure, whole."""
    return call("GET", api, path_of("failures", failure_id))


def stream(api: str, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Follow a stream of server-sent events: the name and the data of each, until it ends.

    Raises DependencyUnreachable when nobody answers, or what comes is no such stream.
    """
    with _asked("GET", f"{api}{path}", headers={}, timeout=(TIMEOUT, SILENCE), stream=True) as answer:
        name = ""
        # Of bytes: text would be cut at U+2028 and U+0085 too, which a reason or an outcome may hold.
        for line in answer.iter_lines():
            field, _, value = line.partition(b": ")
            if field == b"event":
                name = value.decode(errors="replace")
            elif field == b"data":
                yield name, _event_data(api, value)


def _event_data(api: str, value: bytes) -> dict[str, Any]:
    try:
        content = json.loads(value)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise DependencyUnreachable(
            f"the orchestrator at {api}", f"expected JSON objects as events, got {value[:40]!r}"
        )
    return content


@contextmanager
def _asked(method: str, url: str, *, headers: dict[str, str], **options: Any) -> Iterator[requests.Response]:
    import requests

    token = _token()
    allowed = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with requests.request(method, url, headers=headers | allowed, **options) as answer:  # noqa: S113 - it is in the options
            if not answer.ok:
                raise _error(answer)
            yield answer
    except requests.RequestException as error:
        raise DependencyUnreachable(f"the orchestrator at {url}", type(error).__name__) from None


def _token() -> str | None:
    path, token = os.environ.get("REDRIVE_API_TOKEN_FILE"), os.environ.get("REDRIVE_API_TOKEN")
    if token or not path:
        return token
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        raise SettingsInvalid(
            f"REDRIVE_API_TOKEN_FILE: expected a file that can be read, got {path}: {error}"
        ) from None


def _error(answer: requests.Response) -> RedriveError:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError):
        detail = answer.reason
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE):
        return DependencyUnreachable(f"the orchestrator at {answer.url}", safe(detail))
    return RedriveError(safe(detail))
