"""What is measured of one server: how long one thing takes alone, and how many a second it does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from loadtests.stackstorm.http import Connection

if TYPE_CHECKING:
    from loadtests.stackstorm.server import Server

POLL_SECONDS: Final = 0.002
ENDING_POLL_SECONDS: Final = 0.02
PATIENCE: Final = 120.0
# Rule and trigger of one sample, and what its first line of run() is read from.
ACTION, WORKFLOW = "one_action", "one_workflow"
ACCEPTED, ACTION_RUNS, ACTION_ENDED, WORKFLOW_RUNS, WORKFLOW_ENDED = (
    "accepted",
    "action_runs",
    "action_succeeded",
    "workflow_runs",
    "workflow_succeeded",
)


@dataclass(frozen=True, slots=True)
class Load:
    """Executions of one action, asked for one after another over one connection; `ends` is what must have succeeded."""

    name: str
    action: str
    runs: int


@dataclass(frozen=True, slots=True)
class Rate:
    """How many a second, and the CPU of each in milliseconds: the server's with all it started, and the client's."""

    per_second: float
    server_ms: float
    client_ms: float


class Bench:
    """One server under measurement."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = Connection(server.url)
        self._fired = {ACTION: 0, WORKFLOW: 0}

    def sample(self, trigger: str) -> dict[str, float]:
        """Send a trigger and wait for what it starts; gives milliseconds since the POST began."""
        self._fired[trigger] += 1
        began = time.time_ns()
        self._connection.post("/webhooks/st2", {"trigger": f"bench.{trigger}", "payload": {"number": 1}})
        accepted = time.time_ns()
        self._wait(f"/executions?rule={trigger}&status=succeeded&limit=1", self._fired[trigger], POLL_SECONDS)
        (execution,) = self._connection.get(f"/executions?rule={trigger}&limit=1")
        first = self._connection.get(f"/executions/{execution['id']}/children")[0] if trigger == WORKFLOW else execution
        runs, ended = (WORKFLOW_RUNS, WORKFLOW_ENDED) if trigger == WORKFLOW else (ACTION_RUNS, ACTION_ENDED)
        found = {ACCEPTED: accepted, runs: first["result"]["result"], ended: _nanoseconds(execution["end_timestamp"])}
        return {name: (at - began) / 1e6 for name, at in found.items()}

    def rate(self, load: Load) -> Rate:
        """Ask for many executions as fast as they are accepted, and wait until the last has succeeded."""
        done = f"/executions?action={load.action}&parent=null&status=succeeded&limit=1"
        before = self._connection.total(done)
        began, server, client = time.monotonic(), self._server.cpu_seconds(), time.process_time()
        for _ in range(load.runs):
            self._connection.post("/executions", {"action": load.action, "parameters": {}})
        self._wait(done, before + load.runs, ENDING_POLL_SECONDS)
        took, used = time.monotonic() - began, self._server.cpu_seconds() - server
        return Rate(
            per_second=load.runs / took,
            server_ms=used / load.runs * 1000,
            client_ms=(time.process_time() - client) / load.runs * 1000,
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _wait(self, path: str, total: int, pause: float) -> None:
        deadline = time.monotonic() + PATIENCE
        while (found := self._connection.total(path)) < total:
            if time.monotonic() > deadline:
                raise TimeoutError(f"expected {total} executions to succeed within {PATIENCE:.0f} s, got {found}")
            time.sleep(pause)


def _nanoseconds(timestamp: Any) -> int:  # noqa: ANN401 a member of a JSON document
    return int(datetime.fromisoformat(timestamp).timestamp() * 1e6) * 1000
