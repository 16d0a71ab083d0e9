"""The TCP probe: a connection that is accepted, and closed at once."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from orchestrator.domain.probes import ProbeResult

if TYPE_CHECKING:
    from orchestrator.domain.probes import TcpProbe


def probe_tcp(spec: TcpProbe) -> ProbeResult:
    """Connect to one of the host's addresses, all of them within the time-out."""
    deadline = time.monotonic() + spec.timeout
    try:
        places = socket.getaddrinfo(spec.host, spec.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return ProbeResult(passed=False, why=f"its name is not known: {error.strerror}")
    why = "it has no address"
    for family, kind, protocol, _, address in places:
        left = deadline - time.monotonic()
        if left <= 0:
            return ProbeResult(passed=False, why=f"no connection within {spec.timeout:g} s")
        try:
            with socket.socket(family, kind, protocol) as connection:
                connection.settimeout(left)
                connection.connect(address)
        except TimeoutError:
            why = f"no connection within {spec.timeout:g} s"
        except OSError as error:
            why = f"no connection: {error.strerror}"
        else:
            return ProbeResult(passed=True, why="accepted the connection")
    return ProbeResult(passed=False, why=why)
