"""What a load test runs against, each part a process on loopback: `redrive dev`, provider, front, and two workers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests

from loadtests.turns import Arm

if TYPE_CHECKING:
    from pathlib import Path

    from loadtests.processes import Process, Processes

ASK_SECONDS: Final = 10.0
SECONDS_PER_TOKEN: Final = 0.0001
CONCURRENCY: Final = 4
PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Settled:
    """What the `settle` executions say, added up: StackStorm's own count of first attempts and first successes."""

    executions: int
    first_attempts: int
    first_successes: int


@dataclass(slots=True)
class Testbed:
    """Everything under load. The URLs are known once it has started; what it keeps is in the processes' folder."""

    __test__ = False  # pytest takes a class named Test... for tests

    processes: Processes
    api: str = ""
    stackstorm: str = ""
    provider: str = ""
    front: str = ""
    bus: str = ""

    @property
    def folder(self) -> Path:
        """Where logs, state and stamps are."""
        return self.processes.folder

    @property
    def stamps(self) -> Path:
        """The file that both workers add their stamps to."""
        return self.folder / "stamps.txt"

    def start(self) -> None:
        """Start all of it, and wait until each part serves; raises ProcessFailed."""
        state = str(self.folder / "state")
        urls = self.processes.serve("dev", ["-m", "orchestrator", "dev", "--state", state, "--port", "0"])
        self.api, self.stackstorm, self.bus = urls["api"], urls["stackstorm"], urls["bus"]
        scale = ["--scale", str(SECONDS_PER_TOKEN)]
        self.provider = self.processes.serve("provider", ["-m", "loadtests.apps.provider", *scale])["url"]
        self.front = self.processes.serve("front", ["-m", "loadtests.apps.front"], self._environ(Arm.OFF))["url"]
        for worker in [self._start_worker(arm) for arm in Arm]:
            self.processes.await_ready(worker)

    def _start_worker(self, arm: Arm) -> Process:
        # Where a rule reroutes, the app's second queue is the plugin's worker's too.
        queues = f"{arm.queue},bulk" if arm is Arm.ON else arm.queue
        options = ["-c", str(CONCURRENCY), "-Q", queues, "-n", f"{arm}@%h", "-l", "ERROR", "--without-mingle"]
        command = ["-m", "celery", "-A", "loadtests.apps.timed", "worker", *options]
        told = {
            "LLM_APP_READY_FILE": str(self.processes.ready_file(f"worker-{arm}")),
            "LLM_APP_PARENT_PID": str(os.getpid()),
            "LLM_APP_STAMPS": str(self.stamps),
        }
        return self.processes.start(f"worker-{arm}", command, self._environ(arm) | told)

    def _environ(self, arm: Arm) -> dict[str, str]:
        return {
            "LLM_APP_BROKER": self.bus,
            "LLM_APP_BACKEND": f"db+sqlite:///{self.folder / 'results.sqlite'}",
            "LLM_APP_PROVIDER": self.provider,
            "LLM_APP_PLUGIN": arm,
            "REDRIVE_BUS_URL": self.bus,
            "REDRIVE_SPOOL_DIR": str(self.folder / "spool"),
        }

    def use(self, arm: Arm, block: str) -> None:
        """Give all calls from now on to one arm's worker."""
        _post(f"{self.front}/control", {"queue": arm.queue, "block": block})

    def switch_provider(self, *, up: bool) -> None:
        """Take the provider away, or bring it back."""
        _post(f"{self.provider}/control", {"up": up})

    def calls(self) -> list[dict[str, Any]]:
        """Give every call that the front enqueued: id, block, sent."""
        return list(_get(f"{self.front}/calls")["calls"])

    def failures(self) -> dict[str, int]:
        """Count the failures that the orchestrator knows, by state."""
        return dict(self.ask("/api/v1/summary")["failures"])

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the orchestrator's API."""
        return dict(_get(self.api + path))

    def releases(self) -> list[dict[str, Any]]:
        """Give every release of every incident."""
        incidents = self.ask("/api/v1/incidents?limit=1000")["incidents"]
        return [release for each in incidents for release in self.ask(f"/api/v1/incidents/{each['id']}")["releases"]]

    def settled(self) -> Settled:
        """Add up what the `settle` executions that have ended put out."""
        found: dict[str, dict[str, Any]] = {}
        while page := self._executions(len(found)):
            known = len(found)
            found |= {each["id"]: each for each in page}
            if len(page) < PAGE or len(found) == known:
                break
        outputs = [(each.get("result") or {}).get("output") or {} for each in found.values() if "end_timestamp" in each]
        return Settled(
            executions=len(outputs),
            first_attempts=sum(int(each.get("first_attempts") or 0) for each in outputs),
            first_successes=sum(int(each.get("first_successes") or 0) for each in outputs),
        )

    def _executions(self, offset: int) -> list[dict[str, Any]]:
        wanted = {"action": "redrive.settle", "limit": str(PAGE), "offset": str(offset), "sort_asc": "true"}
        return list(_get(f"{self.stackstorm}/v1/executions", wanted))


def _get(url: str, query: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
    answer = requests.get(url, params=query, timeout=ASK_SECONDS)
    answer.raise_for_status()
    return answer.json()


def _post(url: str, body: dict[str, Any]) -> None:
    requests.post(url, json=body, timeout=ASK_SECONDS).raise_for_status()
