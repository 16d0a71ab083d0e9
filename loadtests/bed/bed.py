"""What a scenario plays on: every process of one run, in one folder, started in order and all stopped at the end."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import requests
import yaml

from loadtests import packs
from loadtests.bed import urls
from loadtests.bed.ports import free_port
from loadtests.bed.urls import QUEUES, REROUTED, WRITE_KEY, Urls
from loadtests.evidence import Arm
from loadtests.processes import Process, Processes
from loadtests.stores import rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadtests.scenarios.scenario import Bus, Fault, Scenario

ASK_SECONDS: Final = 30.0
SECONDS_PER_TOKEN: Final = 0.0001
CHILDREN: Final = 4
# The source of telemetry that the producer posts as, by RudderStack's form.
SOURCE: Final = "loadtest"


@dataclass(slots=True)
class Bed:
    """Everything under load, on the scenario's engines; a context manager. `sabotage` names what is broken on purpose.

    The URLs are known once it has started: of the `front`, the orchestrator's `api`, `stackstorm`, the `provider`, the
    `data_plane` and the collector `otlp`; `urls` has those of broker, bus and databases. What it keeps is in `folder`.
    """

    folder: Path
    scenario: Scenario
    sabotage: str | None = None
    front: str = ""
    api: str = ""
    stackstorm: str = ""
    provider: str = ""
    data_plane: str = ""
    otlp: str = ""
    urls: Urls = field(init=False)
    processes: Processes = field(init=False)

    def __enter__(self) -> Self:
        self.folder = self.folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.processes = Processes(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.__exit__()

    @property
    def stamps(self) -> Path:
        """The file that all workers add their stamps to."""
        return self.folder / "stamps.txt"

    @property
    def provider_log(self) -> Path:
        """The file that the provider adds a line to for each request."""
        return self.folder / "asked.txt"

    @property
    def front_log(self) -> Path:
        """The file that the front adds a line to for each call."""
        return self.folder / "sent.txt"

    def start(self) -> None:
        """Start all of it at once, and wait until each part serves; raises ProcessFailed, NoFreePort."""
        self.urls = urls.embedded(self.folder)
        self._choose_places()
        started = [*self._start_outside(), *self._start_recovery(), self._start_front()]
        started += [self._start_worker(arm) for arm in Arm]
        for each in started:
            self.processes.await_ready(each)

    def _choose_places(self) -> None:
        """Choose where each serves before any does: who is started again is found where it was."""
        for name in ("front", "api", "stackstorm", "provider", "data_plane", "otlp"):
            setattr(self, name, f"http://127.0.0.1:{free_port()}")

    def _start_outside(self) -> list[Process]:
        """Start what stands for other people's services."""
        provider = ["-m", "loadtests.apps.provider", "--scale", str(SECONDS_PER_TOKEN)]
        provider += ["--asked", str(self.provider_log)]
        return [
            self._serve("collector", ["-m", "loadtests.bed.collector"], self.otlp),
            self._serve(
                "dataplane", ["-m", "orchestrator.dev.dataplane", "--state", str(self.folder)], self.data_plane
            ),
            self._serve("provider", provider, self.provider),
        ]

    def _start_recovery(self) -> list[Process]:
        """Start the embedded StackStorm on the packs as they ship, and the orchestrator with all its parts."""
        configs = self.folder / "configs"
        configs.mkdir(exist_ok=True)
        (configs / "redrive.yaml").write_text(yaml.safe_dump({"orchestrator_url": self.api}))
        places = [
            "--packs",
            str(packs.shipped()),
            "--configs",
            str(configs),
            "--state",
            str(self.folder / "stackstorm"),
        ]
        embedded = self._serve("stackstorm", ["-m", "orchestrator.stackstorm.embedded", *places], self.stackstorm)
        command = ["-m", "orchestrator", "run", *self.processes.told("orchestrator")]
        return [embedded, self.processes.start("orchestrator", command, self._of_orchestrator())]

    def _start_front(self) -> Process:
        command = ["-m", "loadtests.apps.front", "--log", str(self.front_log)]
        return self._serve("front", command, self.front, self._of_app(Arm.OFF))

    def _start_worker(self, arm: Arm) -> Process:
        queues = f"{QUEUES[arm]},{REROUTED}" if arm is Arm.ON else QUEUES[arm]
        options = ["-c", str(CHILDREN), "-Q", queues, "-n", f"{arm}@%h", "-l", "ERROR", "--without-mingle"]
        command = ["-m", "celery", "-A", "loadtests.apps.timed", "worker", *options]
        name = f"worker-{arm}"
        told = {"LLM_APP_READY_FILE": str(self.processes.ready_file(name)), "LLM_APP_PARENT_PID": str(os.getpid())}
        return self.processes.start(name, command, self._of_app(arm) | told)

    def _serve(self, name: str, command: list[str], url: str, environ: Mapping[str, str] | None = None) -> Process:
        port = url.rpartition(":")[2]
        return self.processes.start(name, [*command, "--port", port, *self.processes.told(name)], environ)

    def _of_app(self, arm: Arm) -> dict[str, str]:
        return urls.of_app(self.urls, self.folder, self.provider, arm, self.otlp)

    def _of_orchestrator(self) -> dict[str, str]:
        port = self.api.rpartition(":")[2]
        told = urls.of_orchestrator(self.urls, self.folder, self.stackstorm, self.data_plane, port)
        return told | {"REDRIVE_WRITE_KEYS": f"{SOURCE}={WRITE_KEY}"}

    def use(self, arm: Arm, block: str) -> None:
        """Give all calls from now on to one arm's worker; they belong to this block."""
        _post(f"{self.front}/control", {"queue": QUEUES[arm], "block": block})

    def weather(self, bus: Bus) -> None:
        """Let the event bus be found so from now on."""

    def begin(self, fault: Fault) -> str:
        """Make a fault; gives what was done."""
        _post(f"{self.provider}/control", {"up": False})
        return f"{fault.kind}"

    def end(self, fault: Fault) -> None:
        """End a fault."""
        _ = fault
        _post(f"{self.provider}/control", {"up": True})

    def pids(self) -> dict[str, int]:
        """Give the process ids by name, of those that run: worker-off, worker-on, worker-traced, orchestrator, ..."""
        return self.processes.running()

    def refuse_ended(self) -> None:
        """Raise ProcessFailed where a process has ended that nobody stopped."""
        self.processes.refuse_ended()

    def waiting(self) -> int | None:
        """Count the messages on the event bus; None where it cannot be told."""
        (found,) = rows(f"sqlite:///{urlsplit(self.urls.bus).path[1:]}", "SELECT count(*) AS messages FROM message")
        return int(found["messages"])

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the orchestrator's API."""
        return dict(_get(self.api + path))


def _get(url: str) -> Any:  # noqa: ANN401 - JSON
    answer = requests.get(url, timeout=ASK_SECONDS)
    answer.raise_for_status()
    return answer.json()


def _post(url: str, body: dict[str, Any]) -> None:
    requests.post(url, json=body, timeout=ASK_SECONDS).raise_for_status()
