"""A development stack in one folder: bus, orchestrator, API, StackStorm, data plane. Not for production."""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import yaml

from orchestrator.dev.processes import Child, ready, start
from orchestrator.domain.errors import RedriveError
from orchestrator.stackstorm.packs import packs_dir

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

WRITE_KEY: Final = "development"


class FolderInUse(RedriveError):
    """Another stack runs in this folder: two would share its state, and each undo what the other does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"expected a folder that no other stack runs in, got {folder}; stop that one, or name another")


@dataclass(frozen=True, slots=True)
class Engines:
    """The URLs of what a stack keeps its state in; an empty one means a SQLite file in the stack's folder."""

    bus: str = ""
    ledger: str = ""
    eventlog: str = ""
    warehouse: str = ""

    def within(self, folder: Path) -> Engines:
        """Fill in the files of a folder."""
        return Engines(
            bus=self.bus or f"redrive+sqlite:///{folder / 'bus.sqlite'}",
            ledger=self.ledger or f"sqlite:///{folder / 'ledger.sqlite'}",
            eventlog=self.eventlog or f"sqlite:///{folder / 'eventlog.sqlite'}",
            warehouse=self.warehouse or f"sqlite:///{folder / 'warehouse.sqlite'}",
        )


@dataclass(slots=True)
class Stack:
    """The processes of one development stack. `environ` is added to the orchestrator's environment."""

    folder: Path
    engines: Engines = field(default_factory=Engines)
    packs: Path = field(default_factory=packs_dir)
    api_port: int = 0
    mode: str = "act"
    environ: dict[str, str] = field(default_factory=dict)
    api_url: str = ""
    stackstorm_url: str = ""
    dataplane_url: str = ""
    _children: dict[str, Child] = field(default_factory=dict)
    _lock: IO[str] | None = None

    def start(self) -> None:
        """Start every part and wait until each is ready; raises ChildFailed, and leaves nothing running then.

        Raises FolderInUse where another stack runs in the same folder.
        """
        self.folder = self.folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim()
        self.engines = self.engines.within(self.folder)
        self.api_port = self.api_port or free_port()
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        try:
            self.start_dataplane()
            self.start_stackstorm()
            self.start_orchestrator()
        except BaseException:
            self.stop()
            raise

    def _claim(self) -> None:
        """Lock the folder; the system unlocks it when this process ends, however it does."""
        lock = (self.folder / "stack.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise FolderInUse(self.folder) from None
        self._lock = lock

    def start_dataplane(self) -> None:
        """Start the local data plane; at the port it had before, if it ran before."""
        port = self.dataplane_url.rpartition(":")[2] or "0"
        command = ["-m", "orchestrator.dev.dataplane", "--state", str(self.folder), "--port", port]
        self.dataplane_url = self._start("dataplane", command)

    def stop_dataplane(self) -> None:
        """Stop the local data plane on purpose; `start_dataplane` brings it back with all it held."""
        self._children.pop("dataplane").stop()

    def start_stackstorm(self) -> None:
        """Start the embedded StackStorm on the packs, configured to call this stack's API."""
        configs = self.folder / "configs"
        configs.mkdir(exist_ok=True)
        (configs / "redrive.yaml").write_text(yaml.safe_dump({"orchestrator_url": self.api_url}))
        port = self.stackstorm_url.rpartition(":")[2] or "0"
        state = str(self.folder / "stackstorm")
        command = ["-m", "orchestrator.stackstorm.embedded", "--packs", str(self.packs), "--configs", str(configs)]
        self.stackstorm_url = self._start("stackstorm", [*command, "--state", state, "--port", port])

    def start_orchestrator(self) -> None:
        """Start the orchestrator with its API."""
        self._start("orchestrator", ["-m", "orchestrator", "run"], self._settings() | self.environ)

    def _settings(self) -> dict[str, str]:
        return {
            "REDRIVE_BUS_URL": self.engines.bus,
            "REDRIVE_LEDGER_URL": self.engines.ledger,
            "REDRIVE_EVENTLOG_URL": self.engines.eventlog,
            "REDRIVE_WAREHOUSE_URL": self.engines.warehouse,
            "REDRIVE_STACKSTORM_URL": self.stackstorm_url,
            "REDRIVE_RUDDERSTACK_URL": self.dataplane_url,
            "REDRIVE_RUDDERSTACK_WRITE_KEY": WRITE_KEY,
            "REDRIVE_API_PORT": str(self.api_port),
            "REDRIVE_MODE": self.mode,
        }

    def _start(self, name: str, command: list[str], environ: dict[str, str] | None = None) -> str:
        ready_file = self.folder / f"{name}.ready"
        ready_file.unlink(missing_ok=True)
        told = ["--ready-file", str(ready_file), "--parent-pid", str(os.getpid())]
        child = start(name, [*command, *told], self.folder, environ)
        self._children[name] = child
        return str(ready(child, ready_file)["url"])

    def child(self, name: str) -> Child:
        """Give one of the processes: dataplane, stackstorm or orchestrator."""
        return self._children[name]

    def urls(self) -> dict[str, str]:
        """Tell where everything is."""
        return {
            "api": self.api_url,
            "stackstorm": self.stackstorm_url,
            "dataplane": self.dataplane_url,
            "bus": self.engines.bus,
        }

    def dead(self) -> list[str]:
        """Name the processes that have ended by themselves."""
        return [name for name, child in self._children.items() if not child.alive]

    def stop(self) -> None:
        """Stop every process, the orchestrator first."""
        for child in reversed(self._children.values()):
            child.stop()
        if self._lock:
            self._lock.close()
            self._lock = None


def free_port() -> int:
    """Find a port on loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
