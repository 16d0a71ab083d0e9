"""The warm process of one pack: it has imported what the pack's actions import, and forks once for each action.

Started by path, with the standard library alone, so that a pack's own virtual environment can run it too. One thread;
it never runs pack code itself, only the children do. Messages on the control socket are one JSON object each: in come
{"run": id} with four descriptors (job, stdout, stderr, result) and {"kill": id}; out goes {"id": id, "status": code}.
When the socket closes, it kills every child's process group and ends.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

MESSAGE_BYTES = 65536
RunAction = Callable[[int, int, int, int], None]


def main() -> None:
    """Warm up, then serve the control socket, whose descriptor is the first argument, until it closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    here = Path(__file__).resolve().parent
    sys.path[0] = str(here / "pythonpath")
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    warm_up([Path(folder) for folder in sys.argv[2:]])
    action = load_runner(here / "child.py")
    gc.freeze()
    Server(control, action).serve()


def warm_up(folders: list[Path]) -> None:
    """Import what the actions in these folders import at their top; what cannot be imported is left to the action."""
    for file in [file for folder in folders for file in sorted(folder.rglob("*.py"))]:
        for name in imported_names(file):
            if not any((folder / name).with_suffix(".py").exists() or (folder / name).is_dir() for folder in folders):
                with contextlib.suppress(Exception):
                    importlib.import_module(name)


def imported_names(file: Path) -> list[str]:
    """Give the top-level names of the modules that a file imports at its top; none where it does not parse."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    plain = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    named = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return sorted({name.split(".")[0] for name in plain + named} | set(plain))


def load_runner(file: Path) -> RunAction:
    """Load the code that runs one action, in the child."""
    spec = importlib.util.spec_from_file_location("_redrive_child", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected a Python file, got {file}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run_action: RunAction = module.run_action
    return run_action


class Server:
    """Forks, reaps and kills."""

    def __init__(self, control: socket.socket, action: RunAction) -> None:
        self._control = control
        self._action = action
        self._children: dict[int, int] = {}  # process -> id of its execution
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until the socket closes; then no child is left."""
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(self._wake, selectors.EVENT_READ)
        try:
            while self._step(selector):
                pass
        finally:
            for process in self._children:
                kill(process)

    def _step(self, selector: selectors.BaseSelector) -> bool:
        for key, _ in selector.select():
            if key.fileobj == self._wake:
                os.read(self._wake, 4096)
                self._reap()
            elif not self._receive():
                return False
        return True

    def _receive(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 4)
        if not message:
            return False
        request = json.loads(message)
        if "run" in request:
            self._fork(request["run"], descriptors)
        else:
            for process in [process for process, owner in self._children.items() if owner == request["kill"]]:
                kill(process)
        return True

    def _fork(self, owner: int, descriptors: list[int]) -> None:
        process = os.fork()
        if process == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            self._control.close()
            self._action(*descriptors)
            os._exit(0)
        self._children[process] = owner
        for descriptor in descriptors:
            os.close(descriptor)

    def _reap(self) -> None:
        while self._children:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            kill(process)  # what the action left running goes with it
            owner = self._children.pop(process, None)
            self._control.send(json.dumps({"id": owner, "status": status}).encode())


def kill(process: int) -> None:
    """Kill a child's process group; one that is gone already is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
