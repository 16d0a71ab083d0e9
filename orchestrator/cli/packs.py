"""The verbs for StackStorm packs as they lie on disk; nothing is started."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.exits import DONE, FAILED, PARTLY, USAGE

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.validation import Verdict
    from orchestrator.stackstorm.embedded.content.values import Content

packs = typer.Typer(name="packs", help="StackStorm packs, as they lie on disk.", no_args_is_help=True)


@packs.callback()
def group() -> None:
    """Look at StackStorm packs."""


@packs.command()
def validate(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="A pack, or a folder of packs.")],
    *,
    configs: Annotated[Path | None, typer.Option(help="The folder with PACK.yaml files, to check them too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a document.")] = False,
) -> None:
    """Say every error of packs, by file, line and key, and what the embedded StackStorm does not support of them.

    Exits with 1 when there is any error, with 5 when something is not supported and nothing else is wrong.
    """
    from orchestrator.stackstorm.embedded.content.validation import validate as look
    from orchestrator.stackstorm.embedded.errors import ContentError

    try:
        verdict = look(folders, configs)
    except ContentError as error:
        typer.echo(f"redrive: {error}", err=True)
        raise typer.Exit(USAGE) from None
    if as_json:
        typer.echo(json.dumps(_document(verdict)))
    else:
        _tell(verdict)
    raise typer.Exit(FAILED if verdict.errors else PARTLY if verdict.refused else DONE)


def _document(verdict: Verdict) -> dict[str, Any]:
    return {
        "packs": [{"ref": ref, "path": str(pack.path)} for ref, pack in verdict.content.packs.items()],
        "counts": _counts(verdict.content),
        "errors": [asdict(error) for error in verdict.errors],
        "refused": [asdict(refusal) for refusal in verdict.refused],
    }


def _tell(verdict: Verdict) -> None:
    for error in verdict.errors:
        typer.echo(f"error: {error}")
    for refusal in verdict.refused:
        typer.echo(f"not supported: {refusal}")
    counted = ", ".join(f"{count} {name}" for name, count in _counts(verdict.content).items())
    typer.echo(f"{counted}: {len(verdict.errors)} errors, {len(verdict.refused)} not supported", err=True)


def _counts(content: Content) -> dict[str, int]:
    return {name: len(getattr(content, name)) for name in ("packs", "actions", "triggers", "rules", "aliases")}
