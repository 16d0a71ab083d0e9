"""Connections to the bus and the broker: they say soon that the other side is away; whoever asked tries again."""

from __future__ import annotations

from typing import Final

from kombu import Connection

CONNECT_SECONDS: Final = 5.0
FAIL_FAST: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def connect(url: str) -> Connection:
    """Make a connection, confirmed where the broker confirms; it is opened at its first use."""
    return Connection(url, connect_timeout=CONNECT_SECONDS, transport_options={"confirm_publish": True, **FAIL_FAST})
