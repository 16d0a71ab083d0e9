"""Speaking to a running orchestrator's API, and showing what it says, made safe for a terminal."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from orchestrator.cli.answers import NoAnswer, error_of
from orchestrator.cli.lines import folded, width
from orchestrator.cli.safety import safe as safe  # noqa: PLC0414 - verbs that speak to the API take it from here
from orchestrator.domain.errors import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

TIMEOUT = 10
CHANGING = 60
# Of a stream nothing but heartbeats may come for this long.
SILENCE = 60
CHUNK = 65_536
DEFAULT_API = "http://127.0.0.1:8400"
Api = Annotated[str, typer.Option("--api", envvar="REDRIVE_API_URL", help="The orchestrator's address.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as data.")]


def shown(words: object) -> None:
    """Print a line of data on stdout, made safe and folded to the width of the terminal."""
    for line in folded(safe(words), width()):
        typer.echo(line)


def told(words: object) -> None:
    """Print a notice on stderr, made safe and folded to the width of the terminal."""
    for line in folded(f"redrive: {safe(words)}", width()):
        typer.echo(line, err=True)


def as_data(content: object) -> None:
    """Print data as JSON, whose encoder escapes whatever a terminal would obey."""
    typer.echo(json.dumps(content, indent=2))


def path_of(*parts: str) -> str:
    """Give a path of the API; each part is one segment, whatever characters it has."""
    return "/api/v1/" + "/".join(quote(each, safe="") for each in parts)


def call(method: str, api: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    """Ask the API; raises NoAnswer when nobody answers, Refusal with the problem it names, both saying what to type.

    What is changed may take longer than what is only read.
    """
    timeout = TIMEOUT if method == "GET" else CHANGING
    with _asked(method, f"{api}{path}", json=body, headers=headers, timeout=timeout) as answer:
        return _object(answer)


def pages(api: str, path: str) -> Iterator[dict[str, Any]]:
    """Ask for a list page by page, each behind the one before, until the last."""
    url: str | None = f"{api}{path}"
    while url:
        with _asked("GET", url, headers={}, timeout=TIMEOUT) as answer:
            following = answer.links.get("next", {}).get("url")
            yield _object(answer)
        # The next page is where this one was, whatever address a proxy in between knows it by.
        url = f"{api}/{following.split('/', 3)[-1]}" if following else None


def _object(answer: requests.Response) -> dict[str, Any]:
    content = answer.json()
    if not isinstance(content, dict):
        raise NoAnswer(
            f"the orchestrator at {safe(answer.url)}", f"expected a JSON object, got {answer.content[:40]!r}"
        )
    return content


def text_of(api: str, path: str, accept: str) -> Iterator[bytes]:
    """Ask for an answer in another form than JSON, and give it as it comes."""
    with _asked("GET", f"{api}{path}", headers={"Accept": accept}, timeout=(TIMEOUT, SILENCE), stream=True) as answer:
        yield from answer.iter_content(CHUNK)


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
        raise NoAnswer(f"the orchestrator at {safe(api)}", f"expected JSON objects as events, got {value[:40]!r}")
    return content


@contextmanager
def _asked(method: str, url: str, *, headers: dict[str, str], **options: Any) -> Iterator[requests.Response]:
    import requests

    token = _token()
    allowed = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with requests.request(method, url, headers=headers | allowed, **options) as answer:  # noqa: S113 - it is in the options
            if not answer.ok:
                raise error_of(answer)
            yield answer
    except (requests.RequestException, ValueError) as error:
        raise NoAnswer(f"the orchestrator at {safe(url)}", type(error).__name__) from None


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
