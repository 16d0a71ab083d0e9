"""The warm process of one pack: it has imported what the pack's actions import, and forks once for each action.

Started by path, with the standard library alone and as Python 3.8 writes it, so that a pack's own virtual environment
can run it too. One thread; it never runs pack code itself, only the children do. One child is forked ahead, once there
is time for it, and waits: it gets the next job, each child gets one. Messages on the control socket begin with a HEAD.
A run has the JSON of its job behind it, and two descriptors (stdout, stderr); where the job is too large for a message,
a third has its JSON. Out goes an ENDED for each run. A child writes its answer to stdout between two marks that its job
names.
When the socket closes, it kills every child's process group and ends. Its environment holds a mark: where the warm
process is killed, what it has started is found by it.

A page that is written to between two forks is copied: what runs for each action does little, and avoids what is spread.
"""

from __future__ import annotations

# `signal` and `socket` wrap what these give in enums and objects of their own: that touches 50 pages more.
import _signal  # type: ignore[import-not-found]  # no stubs
import _socket
import array
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, Callable

MESSAGE_BYTES = 131072
DESCRIPTORS = 3
QUIET_MILLISECONDS = 5
"""How long a fork ahead waits for a run to end, or another to come: it would take the time of what runs."""
BIND_NOW = "LD_BIND_NOW"
"""Has the loader look every function up at the start: else each child would, and write down what it has found."""

HEAD = struct.Struct("=c?Q")
"""What is asked, whether what a run leaves running stays, and the number of the run."""
HEAD_BYTES = HEAD.size
RUN, KILL = b"r", b"k"
ENDED = struct.Struct("=Qi")
"""The number of the run, and its wait status."""
FLAGS = int(socket.MSG_CMSG_CLOEXEC)
DECODER = json.JSONDecoder()
RunJob = Callable[[Any, int, int], None]


def main() -> None:
    """Warm up, then serve the control socket, whose descriptor is the first argument, until it closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    about = json.loads(sys.argv[2])
    if about["bound"]:
        del os.environ[BIND_NOW]
    sys.path[:] = [str(Path(__file__).resolve().parent / "pythonpath"), *about["first"], *sys.path[1:], *about["last"]]
    ahead = ("threading", "logging") if about["folders"] else ("threading",)
    importlib.import_module("redrive_action.forking").import_ahead(ahead)
    warming = importlib.import_module("redrive_action.warming")
    child = importlib.import_module("redrive_action.child")
    importlib.import_module("redrive_action.missing").tell_of_missing()
    if about["folders"]:
        signal.signal(signal.SIGALRM, lambda *_: again(control, {**about, "folders": [], "bound": False}))
        signal.alarm(about["seconds"])
        warming.warm_up([Path(folder) for folder in about["folders"]])
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if warming.threads() > 1:
            again(control, {**about, "folders": [], "bound": False})
        importlib.import_module("redrive_action.rehearsal").rehearse()
    warming.first_to_die()
    gc.collect()
    gc.freeze()
    Server(control, child.run_job).serve()


def again(control: socket.socket, about: Any) -> None:
    """Begin anew without imports: one of them takes too long, or has started a thread, which a fork would lose."""
    control.set_inheritable(True)
    arguments = ["-u", __file__, str(control.fileno()), json.dumps(about)]
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 the same program again


class Server:
    """Forks, reaps and kills."""

    def __init__(self, control: socket.socket, run_job: RunJob) -> None:
        self._control = control
        self._run_job = run_job
        self._children = {}  # type: dict[int, tuple[int, bool]]  # process -> number of its run, whether the rest stays
        self._spare = None  # type: tuple[int, _socket.socket] | None
        self._room = socket.CMSG_SPACE(DESCRIPTORS * array.array("i").itemsize)
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, ignore)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until the socket closes; then no child is left."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        try:
            self._prepare()
            while self._step(poll):
                pass
        finally:
            for process in self._children:
                kill(process)

    def _step(self, poll: select.poll) -> bool:
        ready = poll.poll(None if self._spare is not None else QUIET_MILLISECONDS)
        if not ready:
            self._prepare()
        for descriptor, _ in ready:
            if descriptor == self._wake:
                os.read(descriptor, 4096)
                self._reap()
                if self._spare is None:
                    self._prepare()
            elif not self._receive():
                return False
        return True

    def _receive(self) -> bool:
        message, more, _, _ = self._control.recvmsg(MESSAGE_BYTES, self._room, FLAGS)
        if not message:
            return False
        asked, keep, number = HEAD.unpack_from(message)
        if asked == RUN:
            self._children[self._hand(message, more)] = (number, keep)
            for descriptor in descriptors_of(more):
                os.close(descriptor)
        else:
            for process in [process for process, (run, _) in self._children.items() if run == number]:
                kill(process)
        return True

    def _hand(self, message: bytes, more: Any) -> int:
        """Give a run to the child that waits for one, or to another where that has been killed; gives its process."""
        if self._spare is None:
            self._prepare()
        try:
            return self._pass(message, more)
        except OSError:
            self._prepare()
            return self._pass(message, more)

    def _pass(self, message: bytes, more: Any) -> int:
        process, channel = self._spare  # type: ignore[misc]  # there is one
        self._spare = None
        try:
            channel.sendmsg([message], more)
        finally:
            channel.close()
        return process

    def _prepare(self) -> None:
        """Fork the child that waits for the next run."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        process = os.fork()
        if process == 0:
            self._become(ours, theirs)
        theirs.close()
        self._spare = process, ours

    def _become(self, parent: _socket.socket, channel: _socket.socket) -> None:
        """Wait for a run, in the child, do it, and end."""
        try:
            os.setsid()
            _signal.set_wakeup_fd(-1)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            os.close(self._control.fileno())
            os.close(parent.fileno())
            message, more, _, _ = channel.recvmsg(MESSAGE_BYTES, self._room, FLAGS)
            os.close(channel.fileno())
            if message:
                descriptors = descriptors_of(more)
                text = message[HEAD_BYTES:].decode()
                job = DECODER.raw_decode(text)[0] if text else read_whole(descriptors[2])
                self._run_job(job, descriptors[0], descriptors[1])
        finally:
            os._exit(1)

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            if process in self._children:
                number, keep = self._children.pop(process)
                if not keep:
                    kill(process)  # what the action left running goes with it
                self._control.send(ENDED.pack(number, status))
            elif self._spare is not None and process == self._spare[0]:
                self._spare[1].close()
                self._spare = None


def ignore(*_: Any) -> None:
    """Let a signal only end what waits."""


def descriptors_of(more: Any) -> Any:
    """Give the descriptors that came along with a message."""
    found = array.array("i")
    for _, _, data in more:
        found.frombytes(data)
    return found


def read_whole(descriptor: int) -> Any:
    """Read the JSON of a large job."""
    with open(descriptor, "rb") as stream:
        stream.seek(0)
        return json.load(stream)


def kill(process: int) -> None:
    """Kill a child's process group; one that is gone already is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
