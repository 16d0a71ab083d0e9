"""A warm process and the actions that it forks: what goes in, what they print, how they end.

The protocol stands in `warm`. One thread reads for all actions of the process; the thread that calls `run` only waits,
and has what its action prints read from the beginning where that takes longer.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orchestrator.stackstorm.embedded.runners import warm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.stackstorm.embedded.runners.handle import Handle

HERE = Path(__file__).resolve().parent
MARK = "REDRIVE_WARM_PROCESS"
"""The variable by which all that a warm process has started is known."""

MESSAGE_BYTES = 65536
READ_BYTES = 65536
MAX_OUTPUT = 16_777_216
"""Bytes that an action may print and give in all: what MongoDB, and with it a real StackStorm, can hold of it."""

QUICK_SECONDS = 0.02
"""What ends sooner is read once, at its end; the output of anything longer is read as it comes."""

WARM_UP_SECONDS = 10
"""For how long a warm process imports ahead: what takes longer is left to the actions."""

ENDING_SECONDS = 15.0
"""After which a process that has not ended an action as it was asked to is killed: more than WARM_UP_SECONDS."""

CLOSE_SECONDS = 3.0
"""After which a process that has not ended when it was closed is killed."""

ROOM_POLL = 0.01
GONE = "expected a warm process, got one that has just ended; run the action again"

TIMED_OUT, STOPPED, FLOODED, LOST = "timed out", "stopped", "flooded", "lost"
KILLED = 9


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended: exit code (negative: a signal), its output, what it answered, and what we ended it for."""

    code: int
    stdout: str
    stderr: str
    answer: dict[str, Any] | None
    because: str | None


@dataclass(slots=True)
class _Running:
    """One action in its process."""

    number: int
    mark: bytes
    pipes: tuple[int, int]
    keep: bool
    output: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    open: set[int] = field(default_factory=set)
    status: int | None = None
    because: str | None = None
    last: threading.Timer | None = None
    done: threading.Lock = field(default_factory=threading.Lock)

    @property
    def over(self) -> bool:
        return self.status is not None and not (self.keep and self.open and self.because is None)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What a warm process is started with: the Python, its environment, what stands first and last on its path."""

    python: str
    env: Mapping[str, str]
    first: tuple[Path, ...] = ()
    last: tuple[Path, ...] = ()


class WarmProcess:
    """One warm process, ready for the Python files of some folders. Threads may share it."""

    def __init__(self, interpreter: Interpreter, folders: Sequence[Path] = ()) -> None:
        self.answered = False
        """Whether an action has ended in it yet: one that never gets so far may not come through its imports."""
        self._running: dict[int, _Running] = {}
        self._sending = threading.Lock()
        self._watching = threading.Lock()
        self._next = 0
        self._gone = False
        self._pipes: dict[int, tuple[_Running, int]] = {}
        self._poll = select.epoll()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._poll.register(self._control, select.EPOLLIN)
        self._mark = f"{MARK}={os.urandom(12).hex()}"
        named = {"folders": folders, "first": interpreter.first, "last": interpreter.last}
        bound = {} if warm.BIND_NOW in interpreter.env else {warm.BIND_NOW: "1"}
        paths = {name: [str(folder) for folder in some] for name, some in named.items()}
        about = json.dumps({**paths, "bound": bool(bound), "seconds": WARM_UP_SECONDS})
        with theirs:
            self._process = subprocess.Popen(
                [interpreter.python, "-u", str(HERE / "warm.py"), str(theirs.fileno()), about],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**interpreter.env, **bound, **dict([self._mark.split("=")])},
            )
        self._reader = threading.Thread(target=self._read, name=f"warm {self._process.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether the process still runs, and takes jobs."""
        return not self._gone and self._reader.is_alive() and self._process.poll() is None

    def run(self, job: Mapping[str, Any], timeout: float | None, handle: Handle, *, keep: bool = False) -> Finished:
        """Run one job to its end, or kill it after `timeout` seconds; blocks.

        What the job leaves running is killed with it, or goes on where `keep` says so.
        Raises ChildProcessError, with nothing run, in a process that takes no more jobs.
        """
        running = self._start(job, keep=keep)
        handle.begin(lambda: self._end(running, STOPPED), lambda: _printed(running))
        if not self._wait(running, timeout):
            self._end(running, TIMED_OUT)
            running.done.acquire()
        return _finished(running)

    def _wait(self, running: _Running, timeout: float | None) -> bool:
        """Wait until an action is over, `timeout` seconds at most; False where that was too long."""
        first = QUICK_SECONDS if timeout is None else min(QUICK_SECONDS, max(0.0, timeout))
        if running.done.acquire(timeout=first):
            return True
        self._watch(running)
        return running.done.acquire(timeout=-1 if timeout is None else max(0.0, timeout - first))

    def _watch(self, running: _Running) -> None:
        """Read what an action prints from now on as it comes."""
        with self._watching:
            for index, descriptor in enumerate(running.pipes):
                if descriptor in running.open and descriptor not in self._pipes and not self._poll.closed:
                    self._pipes[descriptor] = (running, index)
                    self._poll.register(descriptor, select.EPOLLIN)

    def _start(self, job: Mapping[str, Any], *, keep: bool) -> _Running:
        mark = os.urandom(12).hex()
        body = json.dumps({**job, "mark": mark}, default=_written).encode()
        running, theirs = self._register(f"\0{mark}\0".encode(), keep=keep)
        try:
            sent = self._send(warm.HEAD.pack(warm.RUN, keep, running.number), body, theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        if not sent:
            with self._sending:
                self._gone = True
                self._lose(running)
            raise ChildProcessError(GONE)
        return running

    def _register(self, mark: bytes, *, keep: bool) -> tuple[_Running, tuple[int, ...]]:
        """Give an action its number and its pipes; gives the ends that it writes to."""
        with self._sending:
            if self._gone:
                raise ChildProcessError(GONE)
            self._next += 1
            ours, theirs = zip(os.pipe(), os.pipe(), strict=True)
            running = _Running(self._next, mark, ours, keep)
            running.done.acquire()
            running.open |= set(ours)
            self._running[running.number] = running
            for descriptor in ours:
                os.set_blocking(descriptor, False)
        return running, theirs

    def _send(self, head: bytes, job: bytes, descriptors: Sequence[int]) -> bool:
        """Send a job: inside of the message where it is small, else in a file of memory that goes along."""
        with contextlib.ExitStack() as stack:
            if len(job) > MESSAGE_BYTES:
                file = stack.enter_context(os.fdopen(os.memfd_create("job"), "w+b"))
                file.write(job)
                file.flush()
                job, descriptors = b"", [*descriptors, file.fileno()]
            return self._deliver([head, job], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])

    def _deliver(self, message: Sequence[bytes], rights: Sequence[tuple[int, int, array.array[int]]]) -> bool:
        """Send a message once there is room, and wait for that where nobody else has to; False where nobody reads."""
        until = time.monotonic() + ENDING_SECONDS
        while time.monotonic() < until:
            with self._sending:
                try:
                    self._control.sendmsg(message, rights, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    pass
                except OSError:
                    return False
                else:
                    return True
            time.sleep(ROOM_POLL)
        self._process.kill()
        return False

    def _end(self, running: _Running, because: str) -> None:
        """Kill an action; one whose process has ended already, and whose output others hold open, is read no more."""
        with self._sending:
            running.because = running.because or because
            kill = warm.HEAD.pack(warm.KILL, False, running.number)  # noqa: FBT003 of no meaning here
            with contextlib.suppress(OSError):
                self._control.send(kill, socket.MSG_DONTWAIT)
            if running.number in self._running and running.last is None:
                running.last = threading.Timer(ENDING_SECONDS, self._process.kill)
                running.last.daemon = True
                running.last.start()

    def _read(self) -> None:
        control = self._control.fileno()
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != control:
                    self._take(descriptor)
                elif not self._hear():
                    self._leave()
                    return

    def _hear(self) -> bool:
        """Note the end of a child; False once the process is gone."""
        try:
            message = self._control.recv(MESSAGE_BYTES)
        except OSError:
            message = b""
        if message:
            self.answered = True
            number, status = warm.ENDED.unpack(message)
            running = self._running[number]
            running.status = status
            self._settle(running)
            if not running.over:
                self._watch(running)  # others hold its output open
        return bool(message)

    def _take(self, descriptor: int) -> None:
        found = self._pipes.get(descriptor)
        if found is not None:
            self._drain(descriptor, *found, once=True)
            self._settle(found[0])

    def _drain(self, descriptor: int, running: _Running, index: int, *, once: bool) -> None:
        """Read what a pipe holds, until there is no more or its end has come."""
        while True:
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._close(running, descriptor)
                return
            if sum(map(len, running.output)) + len(data) <= MAX_OUTPUT:
                running.output[index].extend(data)
            elif running.because is None:
                self._end(running, FLOODED)
            if once:
                return

    def _settle(self, running: _Running) -> None:
        """Let the waiting thread go once the action is over."""
        if running.over and self._running.pop(running.number, None) is not None:
            if running.last is not None:
                running.last.cancel()
            for index, descriptor in enumerate(running.pipes):
                if descriptor in running.open:
                    self._drain(descriptor, running, index, once=False)
                    self._close(running, descriptor)
            running.done.release()

    def _leave(self) -> None:
        """End what ran in a process that is gone, and let go of what it was spoken to with."""
        self._kill_orphans()
        with self._sending:
            self._gone = True
            self._lose(*self._running.values())
            with self._watching:
                self._poll.close()
            self._control.close()

    def _kill_orphans(self) -> None:
        """Kill what a warm process left that was killed itself; where it ended in order, nothing is left."""
        for place in Path("/proc").glob("[0-9]*/environ") if self._running else ():
            with contextlib.suppress(OSError):
                if self._mark.encode() in place.read_bytes().split(b"\0"):
                    os.kill(int(place.parent.name), signal.SIGKILL)

    def _lose(self, *lost: _Running) -> None:
        for running in lost:
            running.status, running.because = KILLED, running.because or LOST
            self._settle(running)

    def _close(self, running: _Running, descriptor: int) -> None:
        with self._watching:
            if descriptor in running.open:
                running.open.discard(descriptor)
                if self._pipes.pop(descriptor, None) is not None:
                    self._poll.unregister(descriptor)
                os.close(descriptor)

    def retire(self) -> None:
        """Take no more actions, and stop the process once none runs in it; a thread waits for that."""
        with self._sending:
            self._gone = True
        threading.Thread(target=self._retire, name="retire", daemon=True).start()

    def _retire(self) -> None:
        for running in list(self._running.values()):
            running.done.acquire()
            running.done.release()
        self.close()

    def hang_up(self) -> None:
        """Let the process stop by itself; running actions are killed."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def close(self, until: float | None = None) -> None:
        """Stop the process, and kill it where that takes longer than to a time of time.monotonic()."""
        self.hang_up()
        seconds = CLOSE_SECONDS if until is None else max(0.0, until - time.monotonic())
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _written(value: Any) -> str:
    """Write a time of a YAML file as StackStorm does; raises TypeError for what JSON cannot hold."""
    if isinstance(value, datetime | date | time_of_day):
        return value.isoformat()
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")


def _printed(running: _Running) -> tuple[bytes, bytes]:
    stdout, stderr = map(bytes, running.output)
    return stdout.split(running.mark)[0], stderr


def _finished(running: _Running) -> Finished:
    """Tell the answer, which stands in stdout between two marks, from what was printed before and after it."""
    stdout, stderr = map(bytes, running.output)
    parts = stdout.split(running.mark)
    answer = json.loads(parts[1]) if len(parts) > 2 else None  # noqa: PLR2004 before, between and after the marks
    printed = parts[0] + (parts[2] if answer is not None else b"")
    code = os.waitstatus_to_exitcode(running.status or 0)
    return Finished(code, printed.decode(errors="replace"), stderr.decode(errors="replace"), answer, running.because)
