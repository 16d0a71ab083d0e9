"""`python -m orchestrator.dev.dataplane`: serves until SIGTERM, SIGINT, or the end of the process that started it."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import orjson

from orchestrator.dev.dataplane.server import DataPlane
from orchestrator.dev.dataplane.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_SECONDS: Final = 0.5


def main() -> None:
    """Serve in the foreground; prints the URL, and writes it to the ready file once requests are answered."""
    options = _options()
    options.state.mkdir(parents=True, exist_ok=True)
    store = Store(options.state / "dataplane.sqlite")
    server = DataPlane(options.port, options.write_key, store)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    serving.start()
    print(server.url, flush=True)
    _tell(options.ready_file, server.url)
    parent_lives = _watched(options.parent_pid)
    while not stop.wait(LOOK_SECONDS) and parent_lives():
        pass
    server.shutdown()
    serving.join()
    server.server_close()
    store.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A RudderStack data plane, for development")
    parser.add_argument("--state", type=Path, required=True, help="folder for what is accepted; kept over restarts")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--ready-file", type=Path, help='JSON {"url": ...}, written once it serves')
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    parser.add_argument("--write-key", default="development", help="the one write key that is accepted")
    return parser.parse_args()


def _tell(ready_file: Path | None, url: str) -> None:
    if ready_file is not None:
        draft = ready_file.with_name(ready_file.name + ".draft")
        draft.write_bytes(orjson.dumps({"url": url}))
        draft.replace(ready_file)


def _watched(pid: int | None) -> Callable[[], bool]:
    """Give the question whether a process lives. Our parent is gone once we have another one, reaped or not."""
    if pid is None:
        return lambda: True
    if os.getppid() == pid:
        return lambda: os.getppid() == pid
    return lambda: _exists(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
