"""The verbs for authors of StackStorm packs; none of them needs anything else of Redrive."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

stackstorm = typer.Typer(name="stackstorm", help="A StackStorm for development and tests.", no_args_is_help=True)


@stackstorm.callback()
def group() -> None:
    """Run a StackStorm for development and tests."""


@stackstorm.command()
def serve(
    *,
    packs: Annotated[list[Path], typer.Option(help="A pack, or a folder of packs; more than once.")],
    configs: Annotated[Path | None, typer.Option(help="The folder with PACK.yaml files.")] = None,
    virtualenvs: Annotated[Path | None, typer.Option(help="The folder with PACK/bin/python; beside --configs.")] = None,
    state: Annotated[Path | None, typer.Option(help="The folder for the state; a temporary one when left out.")] = None,
    host: Annotated[str, typer.Option(help="The address; beyond loopback it needs --api-key-file.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; a free one when 0.")] = 0,
    api_key_file: Annotated[Path | None, typer.Option(help="Ask every request for the key in this file.")] = None,
) -> None:
    """Serve packs as a StackStorm would, in one process, until Ctrl-C; prints what to set for `st2`."""
    from orchestrator.stackstorm.embedded.serving import Options, serve

    options = Options(
        packs=tuple(packs),
        configs=configs,
        virtualenvs=virtualenvs,
        state=state,
        host=host,
        port=port,
        api_key_file=api_key_file,
    )
    code = serve(options, lambda url: _tell(url, api_key_file))
    raise typer.Exit(code)


def _tell(url: str, api_key_file: Path | None) -> None:
    """Print the lines for the shell of whoever uses it: what st2client reads, and nothing else."""
    typer.echo(f"export ST2_BASE_URL={url}")
    typer.echo(f"export ST2_API_URL={url}/v1")
    if api_key_file:
        typer.echo(f"export ST2_API_KEY=$(cat {shlex.quote(str(api_key_file.absolute()))})")
    typer.echo(f"StackStorm listens on {url}; not for production; Ctrl-C stops it", err=True)
