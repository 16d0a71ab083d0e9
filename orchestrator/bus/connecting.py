"""Connections to the bus and the broker: they say soon that the other side is away; whoever asked tries again."""

from __future__ import annotations

from typing import Final

from kombu import Connection
from kombu.exceptions import KombuError

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// known to kombu
from orchestrator.domain.errors import DependencyUnreachable

CONNECT_SECONDS: Final = 5.0
FAIL_FAST: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def connect(url: str, *, confirmed: bool = True) -> Connection:
    """Make a connection; where the broker confirms, each publish waits for that. It is opened at its first use."""
    options = {"confirm_publish": confirmed, **FAIL_FAST}
    return Connection(url, connect_timeout=CONNECT_SECONDS, transport_options=options)


def ready(url: str, what: str = "the bus") -> None:
    """Raise DependencyUnreachable, which names `what`, unless the broker at `url` answers."""
    with connect(url) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        except (*connection.connection_errors, *connection.channel_errors, KombuError, OSError) as error:
            raise DependencyUnreachable(what, str(error)) from error
