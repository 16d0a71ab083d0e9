"""The verbs of an operator: they speak to a running orchestrator's API."""

from __future__ import annotations

import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import requests
import typer
from rich.console import Console
from rich.table import Column, Table

from orchestrator.domain.errors import DependencyUnreachable, RedriveError

TIMEOUT = 10
UUID_WIDTH = 36
LEAST_WIDTH = 140
COLUMNS = ("since", "failures", "kind", "state", "plan")
Api = Annotated[str, typer.Option("--api", envvar="REDRIVE_API_URL", help="The orchestrator's address.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as data.")]
DEFAULT_API = "http://127.0.0.1:8400"


def mode(
    to: Annotated[str | None, typer.Argument(help="observe, act or paused; shows the mode when left out.")] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Show or switch what the orchestrator may do: observe, act, paused."""
    answer = _call("PUT", api, "/api/v1/mode", {"mode": to}) if to else _call("GET", api, "/api/v1/mode")
    typer.echo(json.dumps(answer) if as_json else answer["mode"])


def incidents(
    incident_id: Annotated[str | None, typer.Argument(help="Show this one whole.")] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first, or show one whole."""
    if incident_id:
        typer.echo(json.dumps(_call("GET", api, f"/api/v1/incidents/{incident_id}"), indent=2))
        return
    found = _call("GET", api, "/api/v1/incidents")["incidents"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    console.print(_table(found), width=max(console.width, LEAST_WIDTH))


def _table(found: list[dict[str, Any]]) -> Table:
    """Draw the list: an id stays whole at any width, since the next command needs it."""
    table = Table(Column("incident", no_wrap=True, min_width=UUID_WIDTH), *COLUMNS, Column("what", overflow="ellipsis"))
    for each in found:
        plan = each["plan"]["name"] if each["plan"] else "-"
        what = each["note"] or each["signature"]
        cells = (each["id"], each["opened_at"][:19], str(each["size"]), each["kind"], each["state"], plan, what)
        table.add_row(*cells)
    return table


def retry(
    reason: Annotated[str, typer.Option(help="Why; it is kept with the command.")],
    failure: Annotated[str | None, typer.Option(help="The id of a failure.")] = None,
    task: Annotated[str | None, typer.Option(help="The id of a task.")] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Redrive one failure, or the newest failure of a task."""
    body = {"failure_id": failure, "task_id": task, "reason": reason}
    answer = _call("POST", api, "/recovery/retry", {name: value for name, value in body.items() if value})
    typer.echo(json.dumps(answer) if as_json else f"accepted: {api}{answer['location']}")


def _call(method: str, api: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    token = _token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = requests.request(method, f"{api}{path}", json=body, headers=headers, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise DependencyUnreachable(f"the orchestrator at {api}", type(error).__name__) from None
    if not answer.ok:
        raise _error(answer)
    content: dict[str, Any] = answer.json()
    return content


def _token() -> str | None:
    path = os.environ.get("REDRIVE_API_TOKEN_FILE")
    return os.environ.get("REDRIVE_API_TOKEN") or (Path(path).read_text().strip() if path else None)


def _error(answer: requests.Response) -> RedriveError:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError):
        detail = answer.reason
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE):
        return DependencyUnreachable(f"the orchestrator at {answer.url}", detail)
    return RedriveError(str(detail))
