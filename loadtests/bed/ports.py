"""A port for a server that is started again at the same place."""

from __future__ import annotations

import random
import socket
from typing import Final

# Below those that the kernel hands out to whoever connects, so that nobody takes one while its server is down.
PORTS: Final = range(12_000, 32_000)
TRIES: Final = 200


class NoFreePort(OSError):
    """No port could be had for a server of the run."""


def free_port() -> int:
    """Find a port of loopback that nobody listens on now; raises NoFreePort."""
    for port in random.SystemRandom().choices(PORTS, k=TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise NoFreePort(
        f"expected a free port from {PORTS[0]} to {PORTS[-1]}, got none in {TRIES} tries; stop some servers"
    )
