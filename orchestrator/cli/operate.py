"""The mode: what the orchestrator may do by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, shown
from orchestrator.domain.commands import Mode


def mode(
    to: Annotated[Mode | None, typer.Argument(help="observe, act or paused; shows the mode when left out.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why; it is kept in the audit, and wanted where it is switched.")
    ] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Show or switch what the orchestrator may do: observe, act, paused."""
    if to and not reason:
        raise typer.BadParameter(f"say why: redrive mode {to} --reason WHY")
    body = {"mode": to, "reason": reason}
    answer = call("PUT", api, "/api/v1/mode", body) if to else call("GET", api, "/api/v1/mode")
    if as_json:
        as_data(answer)
    else:
        shown(answer["mode"])
