"""Which failures a command means, as typed: one, a task's, an incident's, a file's, or what a query describes."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchestrator.cli.naming import failure_named, incident_of
from orchestrator.cli.times import before, now
from orchestrator.domain.failures import FailureState, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

STDIN: Final = "-"
ARGUMENT: Final = "arg."
MOST_IDS: Final = 10_000
KEYS: Final = ("task", "queue", "kind", "signature", "dependency", "organization", "since", "until", "state")
KNOWN: Final = f"{', '.join(KEYS)} and {ARGUMENT}NAME"
EXAMPLE: Final = "--query 'task=demo.* kind=transient since=2h'"
Failure = Annotated[str | None, typer.Option(metavar="ID", help="One failure.")]
Task = Annotated[str | None, typer.Option(metavar="ID", help="A task, by its id: its newest failure.")]
Incident = Annotated[str | None, typer.Option(metavar="ID", help="All of an incident; its id, or the beginning of it.")]
Ids = Annotated[str | None, typer.Option(metavar="FILE", help="Failures by id, one a line; - reads stdin.")]
Query = Annotated[
    str | None, typer.Option(metavar="TEXT", help=f"What describes them: key=value of {KNOWN}; since=2h, 'task=a.*'.")
]


def chosen(
    api: str,
    *,
    failure: str | None = None,
    task: str | None = None,
    incident: str | None = None,
    ids: str | None = None,
    query: str | None = None,
) -> dict[str, Any]:
    """Give what a command means as the API wants it; raises BadParameter unless it is exactly one thing."""
    given = {"--failure": failure, "--task": task, "--incident": incident, "--ids": ids, "--query": query}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        came = " and ".join(named) or "none"
        raise typer.BadParameter(f"expected exactly one of {', '.join(given)}, got {came}; see redrive incidents list")
    if incident is not None:
        return {"incident_id": incident_of(api, incident)}
    if ids is not None:
        return {"ids": ids_of(ids)}
    if query is not None:
        return {"query": query_of(query, now())}
    return {"failure_id": failure_named(failure)} if failure is not None else {"task_id": task}


def ids_of(path: str) -> list[str]:
    """Read the ids of failures from a file, the first word of each line; raises BadParameter."""
    try:
        text = sys.stdin.read() if path == STDIN else Path(path).read_text()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"expected a file that can be read, got {path}: {error}", param_hint="--ids") from None
    lines = enumerate(text.splitlines(), start=1)
    ids = [failure_named(line.split()[0], f"line {number} of {path}") for number, line in lines if line.strip()]
    if not 0 < len(ids) <= MOST_IDS:
        raise typer.BadParameter(
            f"expected 1 to {MOST_IDS:,} ids of failures, one a line, got {len(ids):,}; name more with --query",
            param_hint="--ids",
        )
    return ids


def query_of(text: str, current: datetime) -> dict[str, Any]:
    """Read a query, `task=demo.* since=2h arg.customer=42`; raises BadParameter with the keys it knows."""
    found: dict[str, Any] = {}
    for word in _words(text):
        key, equals, value = word.partition("=")
        if not equals or not value or not (key in KEYS or (key.startswith(ARGUMENT) and key != ARGUMENT)):
            raise _wrong(f"expected key=value with a key of {KNOWN}, got {word!r}; as {EXAMPLE}")
        if key.startswith(ARGUMENT):
            found.setdefault("arguments", {})[key.removeprefix(ARGUMENT)] = value
        elif key in found or (key == "state" and "states" in found):
            raise _wrong(f"expected each key once, got {key} twice")
        else:
            found |= _READ[key](key, value, current) if key in _READ else {key: value}
    if not found:
        raise _wrong(f"expected at least one of {KNOWN}, got none; as {EXAMPLE}")
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise _wrong(f"expected words as a shell reads them, got {text!r}: {error}") from None


def _moment(key: str, value: str, current: datetime) -> dict[str, Any]:
    try:
        return {key: before(value, current)}
    except typer.BadParameter as error:
        raise _wrong(f"{key}: {error.message}") from None


def _states(_key: str, value: str, _current: datetime) -> dict[str, Any]:
    return {"states": _among("state", value.split(","), FailureState)}


def _kind(_key: str, value: str, _current: datetime) -> dict[str, Any]:
    return {"kind": _among("kind", [value], Kind)[0]}


def _among(key: str, values: list[str], known: Iterable[str]) -> list[str]:
    names = [str(each) for each in known]
    strange = [each for each in values if each not in names]
    if strange:
        raise _wrong(f"expected {key} as one of {', '.join(names)}, got {strange[0]!r}")
    return values


_READ: Final[Mapping[str, Callable[[str, str, datetime], dict[str, Any]]]] = {
    "since": _moment,
    "until": _moment,
    "state": _states,
    "kind": _kind,
}


def _wrong(words: str) -> typer.BadParameter:
    return typer.BadParameter(words, param_hint="--query")


def edits_of(given: Iterable[str]) -> dict[str, Any]:
    """Read edits, `model="gpt-4o"` or `retries=3`: JSON where it is JSON, else text; raises BadParameter."""
    edits: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"expected name=value, got {each!r}", param_hint="--edit")
        try:
            edits[name] = json.loads(value, parse_constant=_no_number)
        except ValueError:
            edits[name] = value
    return edits


def _no_number(text: str) -> float:
    raise ValueError(text)
