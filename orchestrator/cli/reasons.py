"""Why somebody asks for something: the option that every verb which changes something has."""

from __future__ import annotations

from typing import Annotated

import typer


def given(reason: str | None) -> str | None:
    """Give the reason as typed; raises BadParameter for one that says nothing."""
    if reason is not None and not reason.strip():
        raise typer.BadParameter("expected a few words that say why, got none")
    return reason


Reason = Annotated[str, typer.Option(help="Why; it is kept with the command.", callback=given)]
