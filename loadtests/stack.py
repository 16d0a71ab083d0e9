"""The orchestrator and the embedded StackStorm as a benchmark runs them: on a bus and packs of its choice."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadtests.processes import Process, Processes

ASK_SECONDS: Final = 30.0
PAGE: Final = 100


@dataclass(slots=True)
class Stack:
    """Two processes on loopback; `environ` is added to the orchestrator's settings, `ledger` is a database's URL.

    The URLs are known once it has started.
    """

    processes: Processes
    bus: str
    packs: Path
    ledger: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    api: str = ""
    stackstorm: str = ""
    _orchestrator: Process | None = None

    @property
    def folder(self) -> Path:
        """Where state and logs are."""
        return self.processes.folder

    @property
    def pid(self) -> int:
        """The orchestrator's process id."""
        if self._orchestrator is None:
            raise RuntimeError("expected a stack that has started, got one that has not; call start() first")
        return self._orchestrator.popen.pid

    def start(self) -> None:
        """Start both, and wait until each serves; raises ProcessFailed."""
        port = _free_port()
        self.api = f"http://127.0.0.1:{port}"
        configs = self.folder / "configs"
        configs.mkdir(exist_ok=True)
        (configs / "redrive.yaml").write_text(yaml.safe_dump({"orchestrator_url": self.api}))
        places = ["--packs", str(self.packs), "--configs", str(configs), "--state", str(self.folder / "stackstorm")]
        command = ["-m", "orchestrator.stackstorm.embedded", *places, "--port", "0"]
        self.stackstorm = self.processes.serve("stackstorm", command)["url"]
        run = ["-m", "orchestrator", "run", *self.processes.told("orchestrator")]
        self._orchestrator = self.processes.start("orchestrator", run, self._settings(port) | dict(self.environ))
        self.processes.await_ready(self._orchestrator)

    def _settings(self, port: int) -> dict[str, str]:
        return {
            "REDRIVE_BUS_URL": self.bus,
            "REDRIVE_LEDGER_URL": self.ledger or f"sqlite:///{self.folder / 'ledger.sqlite'}",
            "REDRIVE_EVENTLOG_URL": f"sqlite:///{self.folder / 'eventlog.sqlite'}",
            "REDRIVE_WAREHOUSE_URL": f"sqlite:///{self.folder / 'warehouse.sqlite'}",
            "REDRIVE_STACKSTORM_URL": self.stackstorm,
            "REDRIVE_JOURNAL_DIR": str(self.folder / "journal"),
            "REDRIVE_API_PORT": str(port),
            "REDRIVE_MODE": "act",
        }

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the orchestrator's API."""
        return dict(_get(self.api + path))

    def incidents(self) -> list[dict[str, Any]]:
        """Give the newest 1,000 incidents."""
        return list(self.ask("/api/v1/incidents?limit=1000")["incidents"])

    def executions(self) -> list[dict[str, Any]]:
        """Give every execution of StackStorm that no other one started, oldest first."""
        found: dict[str, dict[str, Any]] = {}
        while page := self._page(len(found)):
            known = len(found)
            found |= {each["id"]: each for each in page}
            if len(page) < PAGE or len(found) == known:
                break
        return list(found.values())

    def _page(self, offset: int) -> list[dict[str, Any]]:
        wanted = {"parent": "null", "limit": str(PAGE), "offset": str(offset), "sort_asc": "true"}
        return list(_get(f"{self.stackstorm}/v1/executions", wanted))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _get(url: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
    answer = requests.get(url, params=query, timeout=ASK_SECONDS)
    answer.raise_for_status()
    return answer.json()
