"""Accepting over HTTP: callers with a connection each, and what the server's process and theirs cost meanwhile."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from eventbus.wire import LLM_CALL, Event, encode_one
from loadtests.accept.callers import called
from loadtests.apps.ways import CALL, SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtests.processes import Processes

ANSWER_SECONDS: Final = 60.0
HEADERS: Final = {"Content-Type": "application/cloudevents+json"}
TICKS: Final = os.sysconf("SC_CLK_TCK")


def by_http(processes: Processes, folder: Path, callers: int, events: int) -> dict[str, float]:
    """Post to `redrive run --parts api`: the figures of a turn, and the share of a processor that each side took."""
    port = _free_port()
    command = ["-m", "orchestrator", "run", "--parts", "api", *processes.told("api")]
    server = processes.start("api", command, _settings(folder, port))
    processes.await_ready(server)
    work = [[_body() for _ in range(events)] for _ in range(callers)]
    before, own = _spent(server.popen.pid), sum(os.times()[:2])
    turn = called(work, lambda: _poster(port))
    seconds = callers * events / turn.rate
    shares = {
        "server_processor": (_spent(server.popen.pid) - before) / seconds,
        "client_processor": (sum(os.times()[:2]) - own) / seconds,
    }
    processes.stop(server)
    processes.ready_file("api").unlink(missing_ok=True)
    return asdict(turn) | shares


def _poster(port: int) -> Callable[[bytes], None]:
    connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    connection.connect()

    def post(body: bytes) -> None:
        connection.request("POST", "/v1/events", body, HEADERS)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status not in range(200, 300):
            raise RuntimeError(f"expected a receipt, got {answer.status}: {json.dumps(told.decode()[:300])}")

    return post


def _body() -> bytes:
    return encode_one(Event(str(uuid4()), SOURCE, LLM_CALL, datetime.now(UTC), dict(CALL)))


def _settings(folder: Path, port: int) -> dict[str, str]:
    stores = ("ledger", "eventlog", "warehouse")
    urls = {f"REDRIVE_{name.upper()}_URL": f"sqlite:///{folder / name}" for name in stores}
    return urls | {
        "REDRIVE_BUS_URL": f"redrive+sqlite:///{folder / 'bus'}",
        "REDRIVE_STACKSTORM_URL": "http://127.0.0.1:9",
        "REDRIVE_API_PORT": str(port),
    }


def _spent(pid: int) -> float:
    """Give the seconds of processor time that a process has taken (proc(5), stat: fields 14 and 15)."""
    fields: list[Any] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
