"""The applications that a demo watches: a model provider, a Celery worker, a feeder of calls; each its own process."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests

from orchestrator.dev.processes import Child, ready, start

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.dev.demo_plan import Wish

SECONDS_PER_TOKEN: Final = 0.0002
TIMEOUT_SECONDS: Final = 1.5
WORKERS: Final = 4
MODEL: Final = "gpt-4o"
CALL_SECONDS: Final = 10.0


@dataclass(slots=True)
class DemoApps:
    """The processes of the sample application. `bus` is their broker; without `plugin`, Celery retries by itself."""

    folder: Path
    bus: str
    wish: Wish
    plugin: bool = True
    seed: int = 0
    provider_url: str = ""
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start provider, worker and feeder; raises ChildFailed."""
        path, faults = self.folder / "provider.ready", ["--faults", str(self.wish.faults)] if self.wish.faults else []
        scale = ["--port", "0", "--scale", str(SECONDS_PER_TOKEN), "--ready-file", str(path), *self._parent()]
        log = ["--log", str(self.folder / "provider.txt"), "--with-faults", *faults]
        provider = self._app("provider", ["-m", "loadtests.apps.provider", *scale, *log])
        self.provider_url = str(ready(provider, path)["url"])
        worker = ["-m", "celery", "-A", "loadtests.apps.demo_worker", "worker", "-c", str(WORKERS), "-Q", "celery,bulk"]
        self._app("worker", [*worker, "-l", "ERROR", "--without-gossip", "--without-mingle"])
        speed = ["--speed", str(self.wish.speed)] if self.wish.speed else []
        feed = ["-m", "loadtests.apps.feed", "--report", str(self.folder / "feed.json"), *self._parent()]
        self._app("feed", [*feed, *self.wish.options(), *speed])

    @staticmethod
    def _parent() -> list[str]:
        return ["--parent-pid", str(os.getpid())]

    def _app(self, name: str, command: list[str]) -> Child:
        child = start(name, command, self.folder, self._environ())
        self._children.append(child)
        return child

    def _environ(self) -> dict[str, str]:
        plain = {"LLM_APP_PLUGIN": "off", "LLM_APP_RETRY": "celery"}
        return {
            "LLM_APP_MODEL": MODEL,
            "LLM_APP_BROKER": self.bus,
            "LLM_APP_BACKEND": f"db+sqlite:///{self.folder / 'results.sqlite'}",
            "LLM_APP_PROVIDER": self.provider_url,
            "LLM_APP_RECORD": str(self.folder / "runs.txt"),
            "LLM_APP_TIMEOUT": str(TIMEOUT_SECONDS),
            "LLM_APP_PROMPT_SEED": str(self.seed),
            "LLM_APP_PARENT_PID": str(os.getpid()),
            "REDRIVE_BUS_URL": self.bus,
            "REDRIVE_SPOOL_DIR": str(self.folder / "spool"),
            "REDRIVE_JOURNAL_DIR": str(self.folder / "journal"),
            **({} if self.plugin else plain),
        }

    def provider(self) -> dict[str, Any]:
        """Ask the provider for its counts and its state."""
        stats: dict[str, Any] = requests.get(f"{self.provider_url}/stats", timeout=CALL_SECONDS).json()
        return stats

    def fed(self) -> dict[str, Any]:
        """Read what the feeder told last: how many it sent, and how many tasks are in which state."""
        path = self.folder / "feed.json"
        told: dict[str, Any] = {"sent": 0, "all_sent": False, "states": {}}
        return json.loads(path.read_text()) if path.exists() else told

    def assumed(self) -> dict[str, Any]:
        """Say what the trace does not tell: the model, and how its generation time was scaled."""
        note = f"every call as {MODEL}, {SECONDS_PER_TOKEN * 1000:g} ms for each token generated"
        return {"model": MODEL, "seconds_per_token": SECONDS_PER_TOKEN, "note": note}

    def failed(self) -> list[str]:
        """Name the processes that have ended."""
        return [each.name for each in self._children if not each.alive]

    def stop(self) -> None:
        """Stop every process, the feeder first; a worker that is still busy is not waited for long."""
        for child in reversed(self._children):
            child.stop()
