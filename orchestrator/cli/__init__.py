"""The verbs of the `redrive` command, one file for each group. Data goes to stdout, notices and progress to stderr."""

from __future__ import annotations

import os
import sys

import typer

from eventbus import scrub
from orchestrator.cli.alerts import alerts
from orchestrator.cli.approvals import approvals
from orchestrator.cli.asking import told
from orchestrator.cli.audit import audit
from orchestrator.cli.classify import classify
from orchestrator.cli.commanding import hold, release
from orchestrator.cli.demo import demo
from orchestrator.cli.dependencies import dependencies
from orchestrator.cli.events import events
from orchestrator.cli.exits import EXIT_CODES
from orchestrator.cli.failures import failures
from orchestrator.cli.incidents import incidents
from orchestrator.cli.lint import lint
from orchestrator.cli.operate import mode
from orchestrator.cli.packs import packs
from orchestrator.cli.postmortem import postmortem
from orchestrator.cli.prices import prices
from orchestrator.cli.recoveries import recoveries
from orchestrator.cli.redriving import REROUTE, RETRY, redrive
from orchestrator.cli.serve import dev, run
from orchestrator.cli.sinks import sinks
from orchestrator.cli.stackstorm import stackstorm
from orchestrator.cli.top import top
from orchestrator.cli.why import why
from orchestrator.domain.errors import RedriveError

typer_app = typer.Typer(
    name="redrive",
    help="Recovers failed Celery work and routes its events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for verb in (run, dev, demo, mode, dependencies, hold, release, lint, classify, why, postmortem):
    typer_app.command()(verb)
typer_app.command()(top)
typer_app.command("retry", help=RETRY)(redrive)
typer_app.command("reroute", help=REROUTE)(redrive)
typer_app.add_typer(incidents)
typer_app.add_typer(approvals)
typer_app.add_typer(recoveries)
typer_app.add_typer(failures)
typer_app.add_typer(stackstorm)
typer_app.add_typer(packs)
typer_app.add_typer(prices)
typer_app.add_typer(events)
typer_app.add_typer(sinks)
typer_app.add_typer(alerts)
typer_app.add_typer(audit)


def app() -> None:
    """Run the command line; an error of ours is one line on stderr and an exit code, never a traceback."""
    scrub.KNOWN.learn_environment(os.environ)
    try:
        typer_app()
    except RedriveError as error:
        for line in scrub.text(str(error)).splitlines():
            told(line)
        sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1))
    except KeyboardInterrupt:
        sys.exit(130)
