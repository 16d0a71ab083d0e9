"""The warm processes of all packs: started when first needed or ahead of it, replaced when the pack is read again."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.runners import warm_process
from orchestrator.stackstorm.embedded.runners.warm_process import HERE, Interpreter, WarmProcess

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.values import Pack

SHELL = ""
"""The name, no pack can have it, of the process that shell commands are forked from."""


class WarmProcesses:
    """One warm process for each pack that has Python actions, and one for shell commands."""

    def __init__(self, virtualenvs: Path | None = None) -> None:
        self._virtualenvs = virtualenvs
        self._lock = threading.Lock()
        self._processes: dict[str, WarmProcess] = {}
        self._bare: set[str] = set()  # packs whose imports end the process: it begins without them
        self._closed = False

    def of(self, pack: Pack | None) -> WarmProcess:
        """Give a pack's process, or that of shell commands, starting it where there is none or where it has died."""
        ref = SHELL if pack is None else pack.ref
        with self._lock:
            if self._closed:
                raise RuntimeError("expected to run before the end, got an action while everything stops")
            process = self._processes.get(ref)
            if process is not None and not process.alive and not process.answered:
                self._bare.add(ref)
            if process is None or not process.alive:
                shell = Interpreter(sys.executable, dict(os.environ))
                process = self._processes[ref] = WarmProcess(shell) if pack is None else self._start(pack)
            return process

    def warm(self, pack: Pack) -> None:
        """Start a pack's process ahead of its first action, where it has Python files."""
        if any((pack.path / "actions").rglob("*.py")):
            self.of(pack)

    def replace(self, pack: Pack) -> None:
        """Start a fresh process for a pack that was read again; actions that run in the old one finish first."""
        with self._lock:
            old = self._processes.pop(pack.ref, None)
            self._bare.discard(pack.ref)
        if old is not None:
            old.retire()
            self.warm(pack)

    def close(self) -> None:
        """Stop all of them, and what runs in them."""
        with self._lock:
            self._closed = True
            processes = list(self._processes.values())
            self._processes.clear()
        for process in processes:
            process.hang_up()
        until = time.monotonic() + warm_process.CLOSE_SECONDS
        for process in processes:
            process.close(until)

    def _start(self, pack: Pack) -> WarmProcess:
        actions = pack.path / "actions"
        library = actions / "lib"
        folders = [] if pack.ref in self._bare else [actions, library]
        return WarmProcess(self._interpreter(pack, library), folders)

    def _interpreter(self, pack: Pack, library: Path) -> Interpreter:
        """Give the interpreter of a pack's own virtual environment, where there is one, else our own.

        As in StackStorm the pack's packages come before its actions/lib, and what the server has comes last.
        """
        known = [str(HERE / "pythonpath"), str(library), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(known)}
        packages = Path(sysconfig.get_path("platlib"))
        own = None if self._virtualenvs is None else self._virtualenvs / pack.ref
        if own is None or not (own / "bin" / "python").exists():
            return Interpreter(sys.executable, env, (packages, library))
        env["PATH"] = os.pathsep.join([str(own / "bin"), env.get("PATH", os.defpath)])
        alike = (own / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}").is_dir()
        first = (*sorted((own / "lib").glob("python*/site-packages")), library)
        return Interpreter(str(own / "bin" / "python"), env, first, (packages,) if alike else ())
