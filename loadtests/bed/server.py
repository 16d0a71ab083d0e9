"""Runs another program as a process of the load test: `python -m loadtests.bed.server --port N ... -- PROGRAM ARGS`.

It says that it serves once the program takes connections on the port of loopback. On SIGTERM, or when the parent is
gone, it tells the program to stop by --signal, and waits until it has. Where the program ends by itself, so does this.
"""

from __future__ import annotations

import argparse
import pwd
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from loadtests.apps.lifecycle import announce, end_with

LOOK_SECONDS: Final = 0.05
CONNECT_SECONDS: Final = 1.0
STOP_SECONDS: Final = 25.0


def main() -> int:
    """Run the program until told to stop."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end_with(options.parent_pid)
    program = subprocess.Popen(options.program, stdin=subprocess.DEVNULL, **_as(options.user))
    try:
        while program.poll() is None and not _takes_connections(options.port):
            time.sleep(LOOK_SECONDS)
        if program.poll() is None:
            announce(options.ready_file, {"port": options.port, "pid": program.pid})
        program.wait()
        print(f"expected {options.program[0]} to run until it is stopped, got exit code {program.returncode}")
        return 1
    finally:
        _stop(program, signal.Signals[options.signal])


def _as(user: str | None) -> dict[str, Any]:
    """Say whom the program runs as; as who runs this, where nobody is named."""
    if user is None:
        return {}
    known = pwd.getpwnam(user)
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}


def _takes_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _stop(program: subprocess.Popen[bytes], how: signal.Signals) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if program.poll() is None:
        program.send_signal(how)
    try:
        program.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs a server as a process of the load test")
    parser.add_argument("--port", type=int, required=True, help="where the program serves")
    parser.add_argument("--signal", default="SIGTERM", help="what tells it to stop")
    parser.add_argument("--user", help="whom it runs as")
    parser.add_argument("--ready-file", type=Path, help="written once it takes connections")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    parser.add_argument("program", nargs="+", help="what is run, after --")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
