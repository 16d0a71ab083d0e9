"""The verbs that start something: each prints where it listens, and leaves nothing behind when it ends."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.bootstrap.parts import PARTS
from orchestrator.cli.exits import FAILED
from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.failpoints import arm

if TYPE_CHECKING:
    from orchestrator.dev.stack import Stack
    from orchestrator.settings import Settings

PARENT_POLL = 0.5
SERVING_POLL = 0.02
# Python collects after 700 new objects by default; a batch of 500 events makes tens of thousands.
YOUNG_OBJECTS = 50_000


def run(
    parts: Annotated[str, typer.Option(help="Which parts to run, separated by commas.")] = ",".join(PARTS),
    ready_file: Annotated[Path | None, typer.Option(help="Where to write the URL once it serves.")] = None,
    parent_pid: Annotated[int | None, typer.Option(help="Stop when the process of this id is gone.")] = None,
) -> None:
    """Run the orchestrator against what the settings (REDRIVE_*) name."""
    from orchestrator.bootstrap.compose import Composer, migrate
    from orchestrator.bootstrap.supervisor import Supervisor
    from orchestrator.observability import set_up_logging
    from orchestrator.settings import load

    set_up_logging()
    arm(os.environ)
    settings = _with_port(load())
    migrate(settings)
    composer = Composer(settings)
    supervisor = Supervisor(composer.parts(tuple(parts.split(","))))
    stop = _stop_on_signals(supervisor.stop)
    _collect_less_often()
    supervisor.start()
    if "api" in parts.split(","):
        _wait_until_serving(settings.api_host, settings.api_port, stop)
    _announce(f"http://{settings.api_host}:{settings.api_port}", ready_file)
    _wait(stop, parent_pid)
    left = supervisor.shut_down()
    if left:
        typer.echo(f"redrive: expected every part to stop, got these still running: {', '.join(left)}", err=True)
        raise typer.Exit(FAILED)


def _collect_less_often() -> None:
    """Leave out of each collection what is there for good, and collect once a batch or so, not several times in one."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


def _with_port(settings: Settings) -> Settings:
    """Choose a free port where none was asked for; one that was asked for has to be free."""
    from orchestrator.dev.stack import free_port

    if settings.api_port == 0:
        return settings.model_copy(update={"api_port": free_port()})
    try:
        socket.create_server((settings.api_host, settings.api_port)).close()
    except OSError as error:
        where = f"{settings.api_host}:{settings.api_port}"
        raise SettingsInvalid(f"REDRIVE_API_PORT: expected an address to listen on, got {where}: {error}") from None
    return settings


def _wait_until_serving(host: str, port: int, stop: Event) -> None:
    while not stop.wait(SERVING_POLL):
        with suppress(OSError), socket.create_connection((host, port), timeout=1):
            return


def _announce(url: str, ready_file: Path | None) -> None:
    typer.echo(f"redrive listens on {url}", err=True)
    _write(ready_file, {"url": url})


def _write(ready_file: Path | None, content: dict[str, str]) -> None:
    if ready_file:
        fresh = ready_file.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(ready_file)


def _stop_on_signals(stop: Event) -> Event:
    """Set an event at SIGTERM or SIGINT, from a thread: a handler that is interrupted inside `set` would never end."""
    reader, writer = socket.socketpair()
    writer.settimeout(0)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    Thread(target=_set_when_woken, args=(reader, writer, stop), name="signals", daemon=True).start()
    return stop


def _set_when_woken(reader: socket.socket, writer: socket.socket, stop: Event) -> None:
    with writer:  # signals write to it as long as this process lives
        while reader.recv(4096):
            stop.set()


def _wait(stop: Event, parent_pid: int | None) -> None:
    while not stop.wait(PARENT_POLL) and _parent_lives(parent_pid):
        pass


def _parent_lives(parent_pid: int | None) -> bool:
    return parent_pid is None or os.getppid() == parent_pid


def dev(
    state: Annotated[Path, typer.Option(help="The folder that holds everything.")] = Path(".redrive"),
    port: Annotated[int, typer.Option(help="The port of the API; a free one when 0.")] = 0,
    mode: Annotated[Mode, typer.Option(help="observe, act or paused.")] = Mode.ACT,
    ready_file: Annotated[Path | None, typer.Option(help="Where to write the URLs once all of it serves.")] = None,
    parent_pid: Annotated[int | None, typer.Option(help="Stop when the process of this id is gone.")] = None,
) -> None:
    """Run everything here, for development: bus, orchestrator, API, StackStorm, a local RudderStack data plane."""
    from orchestrator.dev.stack import Stack

    stop = _stop_on_signals(Event())
    stack = Stack(state, api_port=port, mode=mode)
    stack.start()
    try:
        for line in _where(stack):
            typer.echo(line)
        typer.echo("not for production; Ctrl-C stops everything", err=True)
        _write(ready_file, stack.urls())
        dead = _watch(stack, stop, parent_pid)
    finally:
        stack.stop()
    if dead:
        ended = ", ".join(dead)
        typer.echo(f"redrive: expected every part to run, got an end of {ended}; see {stack.folder}", err=True)
        raise typer.Exit(FAILED)


def _where(stack: Stack) -> list[str]:
    return [
        f"API            {stack.api_url}",
        f"StackStorm     {stack.stackstorm_url}  (export ST2_API_URL={stack.stackstorm_url}/v1)",
        f"data plane     {stack.dataplane_url}",
        f"bus            {stack.engines.bus}",
        f"state          {stack.folder}",
    ]


def _watch(stack: Stack, stop: Event, parent_pid: int | None) -> list[str]:
    while not stop.wait(PARENT_POLL) and _parent_lives(parent_pid):
        dead = stack.dead()
        if dead:
            return dead
    return []
