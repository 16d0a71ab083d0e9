"""The buses that a benchmark can run on: the embedded SQLite file, or a virtual host of a RabbitMQ that runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMBEDDED, RABBITMQ = "embedded", "rabbitmq"
ENGINES: Final = (EMBEDDED, RABBITMQ)
AMQP_VARIABLE: Final = "REDRIVE_TEST_AMQP_URL"
AMQP_DEFAULT: Final = "amqp://guest:guest@127.0.0.1:5672//"
CONNECT_SECONDS: Final = 3.0
TOOL_SECONDS: Final = 60.0


def reachable(engine: str) -> bool:
    """Tell whether an engine can be used here."""
    if engine == EMBEDDED:
        return True
    parts = urlsplit(_amqp())
    try:
        socket.create_connection((parts.hostname or "", parts.port or 5672), CONNECT_SECONDS).close()
    except OSError:
        return False
    return bool(os.environ.get(AMQP_VARIABLE) or shutil.which("rabbitmqctl"))


def chosen(wanted: str | None, first: str) -> str:
    """Give the engine that was asked for, else `first`; the embedded one, and a notice, where RabbitMQ is away."""
    engine = wanted or first
    if reachable(engine):
        return engine
    where = urlsplit(_amqp()).hostname
    print(f"expected a RabbitMQ at {where} and rabbitmqctl, got none; the embedded bus is measured", file=sys.stderr)
    return EMBEDDED


@contextmanager
def opened(engine: str, folder: Path) -> Iterator[str]:
    """Give the URL of a bus that is empty: a file in the folder, or a virtual host that is deleted afterwards.

    An address from the environment is used as it stands.
    """
    if engine == EMBEDDED:
        yield f"redrive+sqlite:///{folder / 'bus.sqlite'}"
    elif os.environ.get(AMQP_VARIABLE):
        yield _amqp()
    else:
        name = f"redrive-bench-{uuid4().hex}"
        _rabbitmqctl("add_vhost", name)
        try:
            _rabbitmqctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
            yield urlunsplit(urlsplit(_amqp())._replace(path=f"/{name}"))
        finally:
            _rabbitmqctl("delete_vhost", name)


def publishing(engine: str) -> dict[str, object]:
    """Give kombu's transport options under which a publish returns once the broker has the message."""
    return {"confirm_publish": True} if engine == RABBITMQ else {}


def _amqp() -> str:
    return os.environ.get(AMQP_VARIABLE) or AMQP_DEFAULT


def _rabbitmqctl(*arguments: str) -> None:
    tool = shutil.which("rabbitmqctl") or "rabbitmqctl"
    subprocess.run([tool, "-q", *arguments], check=True, timeout=TOOL_SECONDS, capture_output=True)
