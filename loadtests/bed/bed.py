"""What a scenario plays on: every process of one run, in one folder, started in order and all stopped at the end."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import requests
import yaml

from loadtests import packs, sabotage
from loadtests.bed import cast, engines, faults, urls
from loadtests.bed.apart import apart
from loadtests.bed.links import OF_BUS, Turnable, linked, needed, proxied
from loadtests.bed.ports import free_port
from loadtests.bed.urls import QUEUES, Urls, Web
from loadtests.bed.waiting import ready_on
from loadtests.processes import Process, Processes
from loadtests.scenarios.scenario import Bus, Link
from loadtests.stores import rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadtests.bed.cast import Part
    from loadtests.bed.engines import Engines
    from loadtests.evidence import Arm
    from loadtests.scenarios.scenario import Fault, Scenario

# What does not run on a worker's machine: there it takes no processor from what is measured.
ELSEWHERE: Final = frozenset({"orchestrator", "stackstorm", "dataplane", "collector"})
WORKERS: Final = tuple(f"worker-{arm}" for arm in QUEUES)
ASK_SECONDS: Final = 30.0
SECONDS_PER_TOKEN: Final = cast.SECONDS_PER_TOKEN


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
    started: dict[str, Process] = field(default_factory=dict)
    links: dict[Link, Turnable] = field(default_factory=dict)
    engines: Engines | None = None
    _servers: list[str] = field(default_factory=list)
    _apart: ExitStack = field(default_factory=ExitStack)
    _bus: Bus = Bus.UP

    def __enter__(self) -> Self:
        self.folder = self.folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        shares = self._apart.enter_context(apart(self.scenario))
        workers = dict.fromkeys(WORKERS, shares.workers) if shares else {}
        self.processes = Processes(self.folder, ELSEWHERE, workers)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.processes.stop_all(last=[*self._servers, *(f"link-{each}" for each in Link)])
        finally:
            self._apart.close()
            if self.engines is not None:
                self.engines.close()

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
        """Start all of it at once, and wait until each part serves.

        Raises ProcessFailed, NoFreePort, SabotageUnknown.
        """
        broken = sabotage.of(self.sabotage)
        self._start_engines()
        web = self._choose_places()
        self._configure(web)
        self._start_all(cast.Cast(self.folder, self.urls, web, broken, packs.shipped(), self.scenario.children).parts())

    def _start_all(self, parts: Sequence[Part]) -> None:
        started = {part.name: self._start(part) for part in parts}
        self.started |= started
        for each in started.values():
            self.processes.await_ready(each)

    def _start_engines(self) -> None:
        """Start the servers of the run, where its engines have any, and the links to them."""
        self.engines = engines.of(self.scenario.engines, self.folder)
        servers = self.engines.parts()
        self._servers = [each.name for each in servers]
        self._start_all(servers)
        self.engines.prepare()
        self.urls, self.links = linked(self.engines.urls, self.processes, self.folder, needed(self.scenario))

    def _choose_places(self) -> Web:
        """Choose where each serves before any does: who is started again is found where it was."""
        for name in ("front", "api", "stackstorm", "provider", "data_plane", "otlp"):
            setattr(self, name, f"http://127.0.0.1:{free_port()}")
        by_link = self.provider
        if Link.PROVIDER in needed(self.scenario):
            link = proxied(self.processes, Link.PROVIDER, urls.port_of(self.provider))
            self.links[Link.PROVIDER], by_link = link, urls.at_port(self.provider, link.port)
        return Web(self.front, self.api, self.stackstorm, self.provider, by_link, self.data_plane, self.otlp)

    def _configure(self, web: Web) -> None:
        """Tell the pack in StackStorm where the orchestrator is."""
        configs = self.folder / "configs"
        configs.mkdir(exist_ok=True)
        (configs / "redrive.yaml").write_text(yaml.safe_dump({"orchestrator_url": web.api}))

    def _start(self, part: Part) -> Process:
        told = self.processes.told(part.name) if part.told else []
        ready = str(self.processes.ready_file(part.name))
        environ = {"LLM_APP_READY_FILE": ready, "LLM_APP_PARENT_PID": str(os.getpid())}
        return self.processes.start(part.name, [*part.command, *told, *part.after], {**part.environ, **environ})

    def use(self, arm: Arm, block: str) -> None:
        """Give all calls from now on to one arm's worker; they belong to this block."""
        _post(f"{self.front}/control", {"queue": QUEUES[arm], "block": block})

    def weather(self, bus: Bus) -> None:
        """Let the event bus be found so from now on."""
        if bus is not self._bus:
            self.links[Link.BUS].turn(*OF_BUS[bus])
            self._bus = bus

    def clear(self, link: Link) -> None:
        """Let a link be as it was before its fault."""
        weather, amount = OF_BUS[self._bus if link is Link.BUS else Bus.UP]
        self.links[link].turn(weather, amount)

    def switch_provider(self, **state: str | float) -> None:
        """Have the provider answer so from now on."""
        _post(f"{self.provider}/control", dict(state))

    def begin(self, fault: Fault) -> str:
        """Make a fault; gives a note of what was done. What cannot be made raises."""
        return faults.begin(self, fault)

    def end(self, fault: Fault) -> None:
        """End a fault, and wait until what was killed for it serves again; raises ProcessFailed."""
        faults.end(self, fault)

    def kill(self, name: str) -> str:
        """End a process with all that it started by SIGKILL; gives a note of it."""
        process = self.started[name]
        self.processes.kill(process)
        return f"SIGKILL to {name}, process {process.popen.pid}"

    def again(self, name: str) -> None:
        """Start a process that was killed, and wait until it serves; raises ProcessFailed."""
        self.started[name] = self.processes.again(self.started[name])

    def stop(self, name: str) -> str:
        """Stop a process in order; gives a note of it."""
        process = self.started[name]
        self.processes.stop(process)
        return f"{name} stopped, process {process.popen.pid}"

    def pids(self) -> dict[str, int]:
        """Give the process ids by name, of those that run: worker-off, worker-on, worker-traced, orchestrator, ..."""
        return self.processes.running()

    def refuse_ended(self) -> None:
        """Raise ProcessFailed where a process has ended that nobody stopped."""
        self.processes.refuse_ended()

    def waiting(self) -> int | None:
        """Count the messages on the event bus that nobody has taken yet; None where it cannot be told."""
        if self._servers:
            return ready_on(self.engines.urls.bus) if self.engines else None
        (found,) = rows(f"sqlite:///{urlsplit(self.urls.bus).path[1:]}", "SELECT count(*) AS messages FROM message")
        return int(found["messages"])

    def state_of(self, call: str) -> str:
        """Ask the front for the state that the result backend has of a call."""
        return str(_get(f"{self.front}/calls/{call}")["state"])

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the orchestrator's API."""
        return dict(_get(self.api + path))


def _get(url: str) -> Any:  # noqa: ANN401 - JSON
    answer = requests.get(url, timeout=ASK_SECONDS)
    answer.raise_for_status()
    return answer.json()


def _post(url: str, body: dict[str, Any]) -> None:
    requests.post(url, json=body, timeout=ASK_SECONDS).raise_for_status()
