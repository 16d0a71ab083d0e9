"""The verb that looks at a Celery app; a process of the app's own interpreter does, as `python -m eventbus lint`."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from orchestrator.cli.exits import USAGE


def lint(
    app: Annotated[str, typer.Argument(help="As for `celery -A`: proj, proj.celery:app.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a document.")] = False,
    ignore: Annotated[list[str] | None, typer.Option(help="Leave this finding out; more than once.")] = None,
    pool: Annotated[str | None, typer.Option(help="The pool that `celery worker -P` is given.")] = None,
    hold: Annotated[float | None, typer.Option(help="How many seconds an outage may last.")] = None,
    python: Annotated[str, typer.Option(help="The interpreter of the app's workers.")] = sys.executable,
) -> None:
    """Say what a Celery app would lose as it is configured, and the line to change; exits with 1 when there is any."""
    options = ["--json"] if as_json else []
    options += [word for each in ignore or () for word in ("--ignore", each)]
    options += ["--pool", pool] if pool else []
    options += ["--hold", str(hold)] if hold is not None else []
    if python != sys.executable:
        _expect_eventbus(python)
    done = subprocess.run([python, "-m", "eventbus", "lint", *options, "--", app], check=False)
    raise typer.Exit(done.returncode)


def _expect_eventbus(python: str) -> None:
    """Refuse an interpreter that lacks the plugin: its exit code would look like findings."""
    find = "import importlib.util as i, sys; sys.exit(not all(map(i.find_spec, ('eventbus', 'celery', 'orjson'))))"
    try:
        found = subprocess.run([python, "-c", find], check=False).returncode == 0
    except OSError:
        found = False
    if not found:
        typer.echo(f"redrive: --python: expected an interpreter with redrive installed, got {python}", err=True)
        raise typer.Exit(USAGE)
