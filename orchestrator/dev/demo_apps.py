"""The applications that a demo watches: a model provider, a Celery worker, a feeder of calls; each its own process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests

from orchestrator.dev.processes import Child, ready, start

if TYPE_CHECKING:
    from pathlib import Path

SECONDS_PER_TOKEN: Final = 0.0002
WORKERS: Final = 4
MODEL: Final = "gpt-4o"
CALL_SECONDS: Final = 10.0


@dataclass(slots=True)
class DemoApps:
    """The processes of the sample application. `bus` is their broker too."""

    folder: Path
    bus: str
    calls: int
    provider_url: str = ""
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start provider, worker and feeder; raises ChildFailed."""
        path = self.folder / "provider.ready"
        scale = ["--scale", str(SECONDS_PER_TOKEN), "--ready-file", str(path)]
        provider = self._app("provider", ["-m", "loadtests.apps.provider", "--port", "0", *scale])
        self.provider_url = str(ready(provider, path)["url"])
        worker = ["-m", "celery", "-A", "loadtests.apps.llm_app", "worker", "-c", str(WORKERS), "-Q", "celery,bulk"]
        self._app("worker", [*worker, "-l", "WARNING"])
        feed = ["-m", "loadtests.apps.feed", "--calls", str(self.calls), "--report", str(self._report)]
        self._app("feed", feed)

    def _app(self, name: str, command: list[str]) -> Child:
        child = start(name, command, self.folder, self._environ())
        self._children.append(child)
        return child

    def _environ(self) -> dict[str, str]:
        return {
            "LLM_APP_MODEL": MODEL,
            "LLM_APP_BROKER": self.bus,
            "LLM_APP_BACKEND": f"db+sqlite:///{self.folder / 'results.sqlite'}",
            "LLM_APP_PROVIDER": self.provider_url,
            "LLM_APP_RUNS": str(self.folder / "runs.txt"),
            "REDRIVE_BUS_URL": self.bus,
            "REDRIVE_SPOOL_DIR": str(self.folder / "spool"),
        }

    @property
    def _report(self) -> Path:
        return self.folder / "feed.json"

    def switch(self, *, up: bool) -> None:
        """Take the provider away, or bring it back."""
        requests.post(f"{self.provider_url}/control", json={"up": up}, timeout=CALL_SECONDS).raise_for_status()

    def served(self) -> int:
        """Count the calls that the provider has answered."""
        return int(requests.get(f"{self.provider_url}/stats", timeout=CALL_SECONDS).json()["served"])

    def succeeded(self) -> int:
        """Count the calls that the feeder has seen end well, in the result backend."""
        return int(json.loads(self._report.read_text())["succeeded"]) if self._report.exists() else 0

    def assumed(self) -> dict[str, Any]:
        """Say what the trace does not tell: the model, and how its generation time was scaled."""
        note = f"every call as {MODEL}, {SECONDS_PER_TOKEN * 1000:g} ms for each token generated"
        return {"model": MODEL, "seconds_per_token": SECONDS_PER_TOKEN, "note": note}

    def failed(self) -> list[str]:
        """Name the processes that have ended badly."""
        return [each.name for each in self._children if not each.alive and each.process.returncode != 0]

    def stop(self) -> None:
        """Stop every process, the feeder first."""
        for child in reversed(self._children):
            child.stop()
