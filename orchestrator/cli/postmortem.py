"""The verb that writes the postmortem of an incident."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.asking import DEFAULT_API, Api, AsJson, as_data, call, path_of, text_of
from orchestrator.cli.naming import incident_of


def postmortem(
    incident_id: Annotated[str, typer.Argument(help="The incident's id, or its beginning.")],
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Write what is recorded of an incident as a page of Markdown: impact, detection, decisions, attempts, gaps."""
    path = path_of("incidents", incident_of(api, incident_id), "postmortem")
    if as_json:
        as_data(call("GET", api, path))
        return
    # Its text is made safe for Markdown and for a terminal where it is written.
    typer.echo(b"".join(text_of(api, path, "text/markdown")).decode(errors="replace"), nl=False)
