"""Starts the embedded StackStorm in this process, serves until it is to stop, and takes everything down again."""

from __future__ import annotations

import fcntl
import ipaddress
import logging
import os
import shutil
import sqlite3
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.access import Access, Credentials
from orchestrator.stackstorm.embedded.apart import Apart
from orchestrator.stackstorm.embedded.api.application import Parts, application
from orchestrator.stackstorm.embedded.api.http import Request, Response, Server
from orchestrator.stackstorm.embedded.content.library import Library
from orchestrator.stackstorm.embedded.content.loader import BUILT_IN
from orchestrator.stackstorm.embedded.datastore import Datastore
from orchestrator.stackstorm.embedded.engine import Engine
from orchestrator.stackstorm.embedded.errors import ContentError, Fault
from orchestrator.stackstorm.embedded.runners.running import Runners
from orchestrator.stackstorm.embedded.stopping import Stop
from orchestrator.stackstorm.embedded.store import Store
from orchestrator.stackstorm.embedded.stubs import StubbedRunners
from orchestrator.stackstorm.embedded.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANNOT_SERVE = 3
STOP_SECONDS = 8.0


class CannotServe(Exception):
    """What was asked for cannot be served; says what was expected, what came, and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to serve, and where. `state` None is a temporary folder; `configs` None gives every pack its defaults.

    `port` 0 takes a free one; `parent` is a process whose end ends this one; `slots` is how many actions run at once;
    `stubs` lets a test replace actions by their results;
    `virtualenvs` is the folder with <pack>/bin/python, by default the one of that name beside `configs`.
    """

    packs: tuple[Path, ...]
    configs: Path | None = None
    state: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    api_key_file: Path | None = None
    parent: int | None = None
    slots: int = 8
    stubs: bool = False
    virtualenvs: Path | None = None


def serve(options: Options, tell: Callable[[str], None]) -> int:
    """Serve until a signal or the parent's death; `tell` gets the URL. Gives the exit code, 3 where it cannot serve."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    stop = Stop()
    stop.on_signals()
    if options.parent:
        stop.when_gone(options.parent)
    try:
        with _folder(options.state) as state, _serving(options, state) as url:
            tell(url)
            stop.wait()
            _bound_the_end(None if options.state else state)
    except (ContentError, CannotServe) as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_SERVE
    return 0


def _bound_the_end(temporary: Path | None) -> None:
    """End this process though a part of it should not stop; its warm processes end when its sockets close."""
    last = threading.Timer(STOP_SECONDS, _give_up, (temporary,))
    last.daemon = True
    last.start()


def _give_up(temporary: Path | None) -> None:
    if temporary is not None:
        shutil.rmtree(temporary, ignore_errors=True)
    os._exit(1)


@contextmanager
def _folder(asked: Path | None) -> Iterator[Path]:
    """Give the folder for the state, which this process has to itself; raises CannotServe where another has it.

    A folder that is made is for its owner alone: parameters and results lie in it as they are.
    """
    with ExitStack() as stack:
        folder = asked or Path(stack.enter_context(TemporaryDirectory(prefix="redrive-stackstorm-")))
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = stack.enter_context((folder / "stackstorm.lock").open("w"))
        except OSError as error:
            expected = "expected a folder for the state, which may be written to"
            raise CannotServe(f"{expected}, got {folder}: {error.strerror}; name another") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            expected = "expected a state folder that no other embedded StackStorm serves from"
            raise CannotServe(f"{expected}, got {folder}; stop that one, or name another folder") from None
        yield folder


@contextmanager
def _serving(options: Options, state: Path) -> Iterator[str]:
    with ExitStack() as stack:
        tokens = Tokens()
        server, key = _server(options)
        stack.callback(server.server_close)
        api_url = f"{server.url}/v1"
        store = _store(state / "stackstorm.sqlite")
        stack.callback(store.close)
        keys, access = Datastore(store, state), Access(store, key, [lambda token: _user(store, tokens, token)])
        apart = Apart()
        stack.callback(apart.close)
        configs = options.configs or state / "configs"
        library = Library(list(options.packs), configs, store, keys, apart)
        kind = StubbedRunners if options.stubs else Runners
        runners = kind(api_url, tokens, options.virtualenvs or configs.parent / "virtualenvs")
        stack.callback(runners.close)
        for pack in library.content.packs.values():
            if pack.path.parent != BUILT_IN:
                runners.warm(pack)
        engine = Engine(library, store, runners, api_url, options.slots)
        keys.listen(engine.triggering.key_changed)
        server.application = application(Parts(engine, library, store, keys, access, runners, api_url))
        server.let_in = access.user
        apart.begin()
        engine.start()
        stack.callback(engine.stop)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="api", daemon=True).start()
        stack.callback(server.shutdown)
        yield server.url


def _store(path: Path) -> Store:
    """Open the state; raises CannotServe for a file that is damaged, or is none of ours."""
    try:
        return Store(path)
    except sqlite3.Error as error:
        expected = "expected a state to go on with in"
        raise CannotServe(f"{expected} {path}, got {error}: remove the file, or name another folder") from None


def _server(options: Options) -> tuple[Server, str | None]:
    """Take the address, and read the operator's key."""
    if not _is_loopback(options.host) and not options.api_key_file:
        raise CannotServe(f"expected an API key's file for an address beyond loopback, got none for {options.host}")
    key = _key(options.api_key_file) if options.api_key_file else None
    try:
        return Server(options.host, options.port, _not_yet, _nobody_yet), key
    except (OSError, OverflowError) as error:
        where = f"{options.host}:{options.port}"
        raise CannotServe(f"expected an address to listen on, got {where}: {error}; name another") from None


def _is_loopback(host: str) -> bool:
    """Tell whether this machine alone reaches an address; raises CannotServe for a name: it may mean any of them."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise CannotServe(f"expected an IP address or localhost to listen on, got {host}; name another") from None


def _key(file: Path) -> str:
    """Read the operator's key; raises CannotServe where there is none: an empty one would let everybody in."""
    try:
        key = file.read_text().strip()
    except (OSError, ValueError) as error:
        raise CannotServe(f"expected an API key in {file}, got {error}; write one into it") from None
    if not key:
        raise CannotServe(f"expected an API key in {file}, got an empty file; write one into it")
    return key


def _user(store: Store, tokens: Tokens, token: str) -> str | None:
    """Give the user of the execution whose action holds a token."""
    execution = store.executions.get(tokens.check(token) or "")
    return str(execution["context"]["user"]) if execution else None


def _nobody_yet(_given: Credentials) -> str:
    raise Fault(503, "The server is starting.")


def _not_yet(_request: Request) -> Response:
    raise Fault(503, "The server is starting.")
