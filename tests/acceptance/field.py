"""A field for the acceptance tests: a development stack, a worker of the acceptance app, questions to ask of both."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from celery import Celery

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// known to kombu
from orchestrator.dev.processes import Child, start
from orchestrator.dev.stack import Engines, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.result import AsyncResult

ROOT = Path(__file__).parents[2]
SECONDS = 40.0
# The longest that an answer of the API may take: a command waits for what writes before it.
ANSWER_SECONDS = 60.0


@dataclass(slots=True)
class Field:
    """A stack with a worker. Everything it keeps is in `folder`; `stop` leaves no process behind."""

    folder: Path
    engines: Engines = field(default_factory=Engines)
    mode: str = "act"
    packs: Path | None = None
    environ: dict[str, str] = field(default_factory=dict)
    worker_environ: dict[str, str] = field(default_factory=dict)
    worker_options: tuple[str, ...] = ()
    stack: Stack = field(init=False)
    sender: Celery = field(init=False)
    worker: Child | None = None
    app: str = "tests.acceptance.app"

    def start(self) -> None:
        """Start the stack and the worker."""
        more = {"packs": self.packs} if self.packs else {}
        quick = {"REDRIVE_OUTCOME_GRACE": "3", "REDRIVE_RULE_GRACE": "2"}
        self.stack = Stack(self.folder, self.engines, mode=self.mode, environ=quick | self.environ, **more)
        self.stack.start()
        self.sender = Celery("sender", broker=self.stack.engines.bus, backend=self._backend(), set_as_current=False)
        command = ["-m", "celery", "-A", self.app, "worker", "-c", "2", "-Q", "celery,bulk", "-l", "INFO"]
        self.worker = start("worker", [*command, *self.worker_options], self.folder, self._environ())

    def _backend(self) -> str:
        return f"db+sqlite:///{self.folder / 'results.sqlite'}"

    def _environ(self) -> dict[str, str]:
        return {
            "ACCEPTANCE_FOLDER": str(self.folder),
            "ACCEPTANCE_BROKER": self.stack.engines.bus,
            "ACCEPTANCE_BACKEND": self._backend(),
            "REDRIVE_SPOOL_DIR": str(self.folder / "spool"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            **self.worker_environ,
        }

    def stop(self) -> None:
        """Stop the worker and the stack."""
        if self.worker:
            self.worker.stop()
        self.stack.stop()

    def send(self, task: str, *names: str) -> list[AsyncResult]:
        """Enqueue one task for each name."""
        return [self.sender.send_task(f"tests.acceptance.app.{task}", [name]) for name in names]

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the API."""
        answer = requests.get(f"{self.stack.api_url}{path}", timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    def command(self, method: str, path: str, body: dict[str, Any], **headers: str) -> requests.Response:
        """Send something to the API."""
        url = f"{self.stack.api_url}{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=ANSWER_SECONDS)

    def incidents(self) -> list[dict[str, Any]]:
        """Give every incident whole."""
        found = self.ask("/api/v1/incidents")["incidents"]
        return [self.ask(f"/api/v1/incidents/{each['id']}") for each in found]

    def incident(self) -> dict[str, Any]:
        """Give the one incident there is."""
        (only,) = self.incidents()
        return only

    def failures(self) -> list[dict[str, Any]]:
        """Give every failure of the one incident."""
        found: list[dict[str, Any]] = self.ask(f"/api/v1/incidents/{self.incident()['id']}/failures")["failures"]
        return found

    def runs(self) -> Counter[str]:
        """Count the runs of each task by the trace that it left itself."""
        return Counter(line.split()[0] for line in self.run_lines())

    def run_lines(self) -> list[str]:
        """Give that trace: name, task id and routing key of each run."""
        path = self.folder / "runs.txt"
        return path.read_text().splitlines() if path.exists() else []

    def st2(self, method: str, path: str, **given: Any) -> Any:  # noqa: ANN401 - StackStorm's JSON
        """Speak to StackStorm."""
        answer = requests.request(method, f"{self.stack.stackstorm_url}/v1{path}", timeout=10, **given)
        answer.raise_for_status()
        return answer.json()

    def until(self, what: str, holds: Callable[[], Any], seconds: float = SECONDS) -> Any:  # noqa: ANN401 - what it found
        """Wait until something holds, and give what it found."""
        deadline = time.monotonic() + seconds
        while True:
            found = self._tried(holds)
            if found:
                return found
            assert time.monotonic() < deadline, f"expected {what} within {seconds} s; see {self.folder}"
            time.sleep(0.1)

    @staticmethod
    def _tried(holds: Callable[[], Any]) -> Any:  # noqa: ANN401 - what it found
        try:
            return holds()
        except (requests.RequestException, ValueError):
            return None
