"""Starts the embedded StackStorm, in a process of its own, and stops it."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api.application import application
from orchestrator.stackstorm.embedded.api.http import Request, Response, Server
from orchestrator.stackstorm.embedded.content.library import Library
from orchestrator.stackstorm.embedded.engine import Engine
from orchestrator.stackstorm.embedded.errors import ContentError, Fault
from orchestrator.stackstorm.embedded.runners.warm_processes import WarmProcesses
from orchestrator.stackstorm.embedded.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USAGE = 2
CONTENT_INVALID = 3
PARENT_POLL = 0.5
STOP_SECONDS = 8.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal or the parent's death; answers the exit code (3: a pack cannot be loaded)."""
    options = _options(arguments)
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    if options.parent_pid:
        threading.Thread(target=_watch, args=(options.parent_pid, over), daemon=True).start()
    try:
        with _serving(options) as url:
            _announce(options.ready_file, url)
            over.wait()
            _bound_the_end()
    except ContentError as error:
        sys.stderr.write(f"{error}\n")
        return CONTENT_INVALID
    return 0


def _bound_the_end() -> None:
    """End this process though a part of it should not stop; its warm processes end when its sockets close."""
    last = threading.Timer(STOP_SECONDS, os._exit, (1,))
    last.daemon = True
    last.start()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.stackstorm.embedded", description=__doc__)
    parser.add_argument(
        "--packs", type=Path, action="append", required=True, help="a pack, or a folder of packs; may be repeated"
    )
    parser.add_argument("--configs", type=Path, required=True, help="the folder with <pack>.yaml files")
    parser.add_argument(
        "--state", type=Path, required=True, help="the folder for the state, made where it is not there"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help='gets {"url": ...} once it serves')
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    parser.add_argument("--api-key-file", type=Path, help="ask every request for the key in this file")
    parser.add_argument("--slots", type=int, default=8, help="Python actions that run at once")
    options = parser.parse_args(arguments)
    if not ipaddress.ip_address(options.host).is_loopback and not options.api_key_file:
        parser.error("expected --api-key-file for an address beyond loopback")
    return options


@contextlib.contextmanager
def _serving(options: argparse.Namespace) -> Iterator[str]:
    options.state.mkdir(parents=True, exist_ok=True)
    key = options.api_key_file.read_text().strip() if options.api_key_file else None
    server = Server(options.host, options.port, _not_yet, key)
    api_url = f"{server.url}/v1"
    with contextlib.ExitStack() as stack:
        stack.callback(server.server_close)
        store = Store(options.state / "stackstorm.sqlite")
        stack.callback(store.close)
        library = Library(options.packs, options.configs, store)
        processes = WarmProcesses(api_url)
        stack.callback(processes.close)
        for pack in library.content.packs.values():
            processes.warm(pack)
        engine = Engine(library, store, processes, api_url, options.slots)
        server.application = application(engine, library, store, processes, api_url)
        engine.start()
        stack.callback(engine.stop)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="api", daemon=True).start()
        stack.callback(server.shutdown)
        yield server.url


def _not_yet(_request: Request) -> Response:
    raise Fault(503, "The server is starting.")


def _announce(ready_file: Path | None, url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    if ready_file is not None:
        partial = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        partial.write_text(json.dumps({"url": url}))
        partial.replace(ready_file)


def _watch(parent: int, over: threading.Event) -> None:
    own = os.getppid() == parent
    while not over.wait(PARENT_POLL):
        # A dead parent that nobody has waited for still has its id; its children have another parent then.
        if own and os.getppid() != parent:
            over.set()
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            over.set()
        except PermissionError:
            continue


if __name__ == "__main__":
    sys.exit(main())
