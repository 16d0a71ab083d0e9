"""The mode: what the orchestrator may do by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, shown
from orchestrator.domain.commands import Mode


def mode(
    to: Annotated[Mode | None, typer.Argument(help="observe, act or paused; shows the mode when left out.")] = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Show or switch what the orchestrator may do: observe, act, paused."""
    answer = call("PUT", api, "/api/v1/mode", {"mode": to}) if to else call("GET", api, "/api/v1/mode")
    if as_json:
        as_data(answer)
    else:
        shown(answer["mode"])
