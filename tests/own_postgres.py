"""A PostgreSQL server of a test's own, to be ill-treated: on a free port, in a folder that goes away with it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.services import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = "/usr/lib/postgresql"
SECONDS = 60.0
# PostgreSQL refuses to run as root.
USERS = ("postgres", "nobody")


def binaries() -> Path:
    """Find the folder of PostgreSQL's own programs; a machine without it is lacking."""
    found = sorted(Path(PLACES).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise lacking(f"expected initdb on the PATH or below {PLACES}, got none: no server of our own can be started")
    return (found[-1] if found else Path(str(on_path))).parent


def _unprivileged() -> dict[str, int]:
    """Say whom its processes run as: nobody else, where this one is not root's."""
    if os.geteuid() != 0:
        return {}
    known = {each.pw_name: each for each in pwd.getpwall()}
    user = next((known[name] for name in USERS if name in known), None)
    if user is None:
        raise lacking(f"expected a user {' or '.join(USERS)} to run PostgreSQL as, got none")
    return {"user": user.pw_uid, "group": user.pw_gid}


@dataclass(slots=True)
class OwnPostgres:
    """A server; `data` is its folder."""

    data: Path
    options: tuple[str, ...] = ()
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _as: dict[str, int] = field(default_factory=_unprivileged)

    @property
    def url(self) -> str:
        """Where its one database is."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Make its files."""
        command = [binaries() / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        done = subprocess.run(
            [*command, "--locale=C", "--wal-segsize=1"], capture_output=True, timeout=SECONDS, check=False, **self._as
        )
        assert done.returncode == 0, done.stderr.decode()
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        small = ["-c", "min_wal_size=2MB", "-c", "max_wal_size=8MB", "-c", "shared_buffers=16MB"]
        here = ["-D", self.data, "-p", str(self.port), "-k", self.data, "-h", "127.0.0.1"]
        with (self.data.parent / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binaries() / "postgres", *here, *small, *self.options], stdout=log, stderr=log, **self._as
            )
        deadline = time.monotonic() + SECONDS
        while not self.answers():
            assert time.monotonic() < deadline, (self.data.parent / "postgres.log").read_text()[-2000:]
            time.sleep(0.05)

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        with suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=3):
            return True
        return False

    @property
    def runs(self) -> bool:
        """Tell whether its first process is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts off whoever is connected, SIGQUIT leaves even its own files as they are."""
        if self._process is not None:
            if self.runs:
                self._process.send_signal(how)
            try:
                self._process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextmanager
def own_postgres(*options: str, folder: Path | None = None) -> Iterator[OwnPostgres]:
    """Run a server with these options, in a folder of its own or in `folder`."""
    with tempfile.TemporaryDirectory(prefix="redrive-postgres-", ignore_cleanup_errors=True) as place:
        server = OwnPostgres((folder or Path(place)) / "data", options)
        server.data.mkdir(mode=0o700)
        if server._as:
            Path(place).chmod(0o755)
            os.chown(server.data, server._as["user"], server._as["group"])
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Give a folder on a disk of that size, held in memory; a machine where nothing may be mounted is lacking."""
    place = Path(tempfile.mkdtemp(prefix="redrive-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "redrive-test", place]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode != 0:
        place.rmdir()
        raise lacking(f"expected to mount a small disk, got: {done.stderr.strip() if done else 'no mount here'}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], capture_output=True, timeout=SECONDS, check=False)
        with suppress(OSError):
            place.rmdir()
