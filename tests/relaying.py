"""The relays of a real orchestrator, in a process of their own, against one data plane."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.gateway import WRITE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

DEADLINE = 120.0


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait for a condition, for two minutes at most."""
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def on_sqlite(folder: Path) -> dict[str, str]:
    """Name stores in a folder."""
    return {f"REDRIVE_{name.upper()}_URL": f"sqlite:///{folder}/{name}.db" for name in STORES}


def on_postgresql(url: str) -> dict[str, str]:
    """Name stores that share one database."""
    return {f"REDRIVE_{name.upper()}_URL": url for name in STORES}


STORES = ("ledger", "eventlog", "warehouse")


@contextmanager
def relaying(
    folder: Path, stores: Mapping[str, str], url: str, *, parts: str = "relay", **settings: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the relays, or other `parts`, on these stores against the data plane at `url`; what is left of them
    afterwards is killed. `folder` / ready.json says where an API listens.
    """
    folder.mkdir(exist_ok=True)
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REDRIVE_")}
    environ |= {
        "REDRIVE_BUS_URL": f"redrive+sqlite:///{folder}/bus.db",
        "REDRIVE_STACKSTORM_URL": "http://127.0.0.1:1",
        "REDRIVE_RUDDERSTACK_URL": url,
        "REDRIVE_RUDDERSTACK_WRITE_KEY": WRITE_KEY,
        "REDRIVE_RUDDERSTACK_TIMEOUT": str(DEADLINE),
        "REDRIVE_API_PORT": "0",
    }
    environ |= stores | {f"REDRIVE_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "orchestrator", "run", "--parts", parts, "--ready-file", str(ready)]
    with subprocess.Popen(command, env=environ) as process:
        try:
            until("it runs", ready.exists)
            yield process
        finally:
            process.kill()
