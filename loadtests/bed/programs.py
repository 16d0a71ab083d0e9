"""Where the programs of real servers are on this machine, and as whom PostgreSQL may run."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import Final

PLACES: Final = Path("/usr/lib/postgresql")
# The distributions' own script insists on being root; the one behind it runs as anybody.
RABBITMQ: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USERS: Final = ("postgres", "nobody")


class EngineMissing(OSError):
    """A program that real engines need and this machine does not have: says which package has it."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"expected {program}, got none: install the package {package}, or use --engines embedded")


def postgresql(places: Path = PLACES) -> Path:
    """Find the folder of PostgreSQL's own programs, of the newest release; raises EngineMissing."""
    found = sorted(places.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise EngineMissing(f"initdb on the PATH or below {places}", "postgresql")
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


def rabbitmq(script: Path = RABBITMQ) -> Path:
    """Find the script that starts a RabbitMQ node; raises EngineMissing."""
    return script if script.exists() else _on_path("rabbitmq-server", "rabbitmq-server")


def epmd() -> Path:
    """Find Erlang's name server, which a RabbitMQ node needs; raises EngineMissing."""
    return _on_path("epmd", "erlang-base")


def redis() -> Path:
    """Find the Redis server; raises EngineMissing."""
    return _on_path("redis-server", "redis-server")


def _on_path(program: str, package: str) -> Path:
    found = shutil.which(program)
    if found is None:
        raise EngineMissing(f"{program} on the PATH", package)
    return Path(found)


def unprivileged() -> pwd.struct_passwd | None:
    """Say whom PostgreSQL runs as, which refuses to be root's; None where this user may; raises EngineMissing."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name: each for each in pwd.getpwall()}
    user = next((known[name] for name in USERS if name in known), None)
    if user is None:
        raise EngineMissing(f"a user {' or '.join(USERS)} to run PostgreSQL as", "postgresql")
    return user
