"""Starts the embedded StackStorm in its own process for a test, and stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PATIENCE = 30.0


@contextmanager
def embedded(
    folder: Path, *packs: Path, configs: Mapping[str, str] | None = None, options: tuple[str, ...] = ()
) -> Iterator[str]:
    """The URL of an embedded StackStorm with these packs; `configs` maps a pack to the text of its configuration."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    for pack, text in (configs or {}).items():
        (folder / "configs" / f"{pack}.yaml").write_text(text)
    process = start(folder, *packs, options=options)
    try:
        yield ready(process, folder / "ready.json")
    finally:
        stop(process)


def start(folder: Path, *packs: Path, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start one whose state and configs lie in `folder`; the caller stops it."""
    (folder / "ready.json").unlink(missing_ok=True)
    places = [part for pack in packs for part in ("--packs", str(pack))]
    return subprocess.Popen(
        [
            sys.executable, "-m", "orchestrator.stackstorm.embedded", *places,
            "--configs", str(folder / "configs"), "--state", str(folder / "state"),
            "--ready-file", str(folder / "ready.json"), "--parent-pid", str(os.getpid()), *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def ready(process: subprocess.Popen[str], ready_file: Path) -> str:
    """Wait until it serves; gives its URL."""
    deadline = time.monotonic() + PATIENCE
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"expected the embedded StackStorm to serve, got {process.communicate()}")
        time.sleep(0.01)
    url: str = json.loads(ready_file.read_text())["url"]
    return url


def stop(process: subprocess.Popen[str]) -> None:
    """Stop it as an operator does; kill it where it does not stop."""
    process.terminate()
    try:
        process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
