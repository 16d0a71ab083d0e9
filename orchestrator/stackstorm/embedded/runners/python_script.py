"""The runner python-script: each action in a process of its own, forked from its pack's warm process."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from orchestrator.stackstorm.embedded.runners.pipes import Pipes

HERE = Path(__file__).resolve().parent
INVALID_STATUS = 220
KILLED = -9
SOCKET_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Job:
    """One action to run: its file, what it gets, and how long it may take (seconds)."""

    file: Path
    parameters: dict[str, Any]
    config: dict[str, Any]
    env: dict[str, str]
    path: list[str] = field(default_factory=list)
    timeout: float = 600
    log_level: str = "DEBUG"

    def encode(self) -> bytes:
        """Write what the child reads; it goes through a pipe, never on a command line."""
        return json.dumps(
            {
                "file": str(self.file),
                "parameters": self.parameters,
                "config": self.config,
                "env": self.env,
                "path": self.path,
                "log_level": self.log_level,
            }
        ).encode()


@dataclass(frozen=True, slots=True)
class Ended:
    """How an action ended: a status of StackStorm, and the result in StackStorm's shape."""

    status: str
    result: dict[str, Any]


class WarmProcess:
    """The warm process of one pack, and the actions that it runs. Threads may share it."""

    def __init__(self, pack: Path) -> None:
        self._folders = [folder for folder in (pack / "actions", pack / "actions" / "lib") if folder.is_dir()]
        self._lock = threading.Lock()
        self._next = 0
        self._waiting: dict[int, _Exit] = {}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "warm.py"), str(theirs.fileno()), *map(str, self._folders)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        threading.Thread(target=self._listen, name=f"warm {pack.name}", daemon=True).start()

    def run(self, job: Job) -> Ended:
        """Run one action to its end or its time-out; blocks."""
        pipes = Pipes()
        with self._lock:
            self._next += 1
            number = self._next
            left = self._waiting[number] = _Exit()
            sent = self._send({"run": number}, pipes.theirs)
        pipes.close_theirs()
        if not sent:
            left.set(1 << 8)
        timed_out = not pipes.exchange(job.encode(), time.monotonic() + job.timeout)
        if timed_out:
            with self._lock:
                self._send({"kill": number}, [])
        code = left.wait()
        pipes.drain()
        return _ended(code, pipes, timed_out=timed_out, timeout=job.timeout)

    @property
    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return self._process.poll() is None

    def retire(self) -> None:
        """Stop the process once no action runs in it; a thread waits for that."""
        threading.Thread(target=self._retire, name="retire", daemon=True).start()

    def _retire(self) -> None:
        with self._lock:
            running = list(self._waiting.values())
        for left in running:
            left.wait()
        self.close()

    def close(self) -> None:
        """Stop the process; running actions are killed."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: dict[str, int], descriptors: list[int]) -> bool:
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        except OSError:
            return False
        return True

    def _listen(self) -> None:
        while True:
            try:
                message = self._control.recv(SOCKET_BYTES)
            except OSError:
                message = b""
            if not message:
                break
            ended = json.loads(message)
            with self._lock:
                left = self._waiting.pop(ended["id"], None)
            if left is not None:
                left.set(ended["status"])
        with self._lock:
            for left in self._waiting.values():
                left.set(9)
            self._waiting.clear()


class _Exit:
    """How a child ended, once it has."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._status = 0

    def set(self, status: int) -> None:
        self._status = status
        self._done.set()

    def wait(self) -> int:
        self._done.wait()
        return os.waitstatus_to_exitcode(self._status)


def _ended(code: int, pipes: Pipes, *, timed_out: bool, timeout: float) -> Ended:
    stdout, stderr, written = pipes.output
    answer = json.loads(written) if written and code == 0 else None
    result: dict[str, Any] = {
        "stdout": stdout.decode(errors="replace"),
        "stderr": stderr.decode(errors="replace"),
        "exit_code": KILLED if timed_out else code,
        "result": answer["result"] if answer else "None",
    }
    if timed_out:
        return Ended("timeout", {**result, "error": f"Action failed to complete in {timeout:g} seconds"})
    if code == INVALID_STATUS:
        return Ended("failed", {"error": result["stderr"], "traceback": ""})
    failed = code != 0 or (answer is not None and answer["status"] is False)
    return Ended("failed" if failed else "succeeded", result)
