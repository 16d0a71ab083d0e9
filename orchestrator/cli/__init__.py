"""The verbs of the `redrive` command, one file for each group. Data goes to stdout, notices and progress to stderr."""

from __future__ import annotations

import sys

import typer

from orchestrator.cli.demo import demo
from orchestrator.cli.exits import EXIT_CODES
from orchestrator.cli.operate import incidents, mode, retry
from orchestrator.cli.serve import dev, run
from orchestrator.domain.errors import RedriveError

typer_app = typer.Typer(
    name="redrive",
    help="Recovers failed Celery work and routes its events.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (run, dev, demo, mode, incidents, retry):
    typer_app.command()(verb)


def app() -> None:
    """Run the command line; an error of ours is one line on stderr and an exit code, never a traceback."""
    try:
        typer_app()
    except RedriveError as error:
        typer.echo(f"redrive: {error}", err=True)
        sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1))
    except KeyboardInterrupt:
        sys.exit(130)
