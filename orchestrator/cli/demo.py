"""The verb that shows the main job: a demo in a folder of its own, from nothing to its accounts."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, NoReturn

import typer

from orchestrator.cli.exits import DONE, FAILED, USAGE

MAX = "max"


def demo(
    *,
    trace: Annotated[Path | None, typer.Option(help="CSV with TIMESTAMP, ContextTokens, GeneratedTokens.")] = None,
    speed: Annotated[str, typer.Option(help="Times real time, or max.")] = MAX,
    calls: Annotated[int, typer.Option(help="How many calls of the trace to replay; 0: all.", min=0)] = 1_000,
    faults: Annotated[Path | None, typer.Option(help="What goes wrong, in TOML or JSON.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Run it with Celery's own retries as well.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write a page about it: one HTML file.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the state in this folder, an empty one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as data.")] = False,
    stop_dataplane: Annotated[
        bool, typer.Option(help="Stop the data plane for the middle third of the calls.")
    ] = False,
) -> None:
    """Watch the main job: real model calls fail, are redriven when their provider is back, and every event arrives."""
    from orchestrator.dev.demo import Demo, DemoInvalid
    from orchestrator.dev.demo_plan import Wish

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    wish = Wish(calls, _absolute(trace), _speed(speed), _absolute(faults))
    show = Demo(
        _folder(keep),
        wish,
        stop_dataplane=stop_dataplane,
        compare=compare,
        report=_absolute(report),
        quiet=as_json,
        remove=keep is None,
        order_seed=secrets.randbits(32),
    )
    try:
        result = show.run(started)
    except DemoInvalid as error:
        _refuse(str(error))
    typer.echo(json.dumps(result.as_data(), default=str) if as_json else result.as_text())
    if not result.passed:
        typer.echo(f"redrive: the demo failed; its logs and all its state are in {show.folder}", err=True)
    raise typer.Exit(DONE if result.passed else FAILED)


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None


def _speed(text: str) -> float | None:
    if text == MAX:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        _refuse(f"--speed: expected a number more than 0, or {MAX}, got {text!r}")
    return speed


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(mkdtemp(prefix="redrive-demo-"))
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        _refuse(f"--keep: expected a folder that is new or empty, got {keep}; name another one, or empty it")
    return keep


def _refuse(why: str) -> NoReturn:
    typer.echo(f"redrive: {why}", err=True)
    raise typer.Exit(USAGE)
