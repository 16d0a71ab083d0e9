"""One crash run: clients that never stop, an orchestrator that is killed again and again, and what is there at last."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import requests

from loadtests.apps.ways import ByApi, ByBus
from loadtests.crash.asking import Asker
from loadtests.crash.clients import Client
from loadtests.crash.stores import EVERY_EVENT, OWN_TABLES, ids_in
from loadtests.processes import ProcessFailed
from orchestrator.failpoints import FORWARDING, LOG_VARIABLE, VARIABLE, fired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from loadtests.apps.ways import Way
    from loadtests.processes import Process, Processes

PARTS: Final = "api,intake,relay"
# What lies on the way from the bus into the log and is not in FORWARDING.
PLACES: Final = ("eventlog_committed", "ledger_committed", *FORWARDING)
# A place is armed at one of its first so many times.
MOST_HITS: Final = 3
FIRE_SECONDS: Final = 150.0
LONGEST_LIFE: Final = 1.5
DRAIN_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.2
ASK_SECONDS: Final = 30.0
WRITE_KEY: Final = "bench"


@dataclass(frozen=True, slots=True)
class Played:
    """What there was at the end. `accepted` maps ids to types, `delivered` ids to deliveries at the gateway."""

    accepted: Mapping[str, str]
    by_way: Mapping[str, int]
    rows: Mapping[str, Sequence[str]]
    delivered: Mapping[str, int]
    sinks: Mapping[str, Mapping[str, Any]]
    fired: Sequence[str]
    unfired: Sequence[str]
    kills: int
    replays: int
    seconds: float


@dataclass(slots=True)
class Crashes:
    """The processes of one run, on databases at `urls`. `kills` are at random moments, besides one at each place."""

    processes: Processes
    urls: Mapping[str, str]
    kills: int
    dice: Random
    places: Sequence[str] = PLACES
    _gateway: str = ""
    _api: str = ""
    _clients: list[Client] = field(default_factory=list)
    _asker: Asker = field(init=False)
    _unfired: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where everything is."""
        return self.processes.folder

    def play(self) -> Played:
        """Run it: die at each place, then at random moments, then drain and count."""
        began = time.monotonic()
        command = ["-m", "loadtests.inside.data_plane"]
        self._gateway = self.processes.serve("gateway", command)["url"]
        self._api = f"http://127.0.0.1:{_free_port()}"
        bus = f"redrive+sqlite:///{self.folder / 'bus.sqlite'}"
        ways: dict[str, Way] = {"bus": ByBus(bus), "POST /v1/events": ByApi(self._api)}
        self._clients = [Client(name, way, Random(self.dice.random())) for name, way in ways.items()]
        self._asker = Asker(self._api, self._clients[-1], Random(self.dice.random()))
        self._die(bus)
        living = self._start(bus, {})
        self._drained()
        played = self._counted(time.monotonic() - began)
        self.processes.stop(living)
        return played

    def _die(self, bus: str) -> None:
        for client in self._clients:
            client.__enter__()
        try:
            with self._asker:
                self._kill_again_and_again(bus)
        finally:
            for client in self._clients:
                client.stop()

    def _kill_again_and_again(self, bus: str) -> None:
        for place in self.places:
            self._die_at(bus, place)
        for _ in range(self.kills):
            self._die_at_random(bus)

    def _die_at(self, bus: str, place: str) -> None:
        """Let it run into one place, and note where it never came by."""
        hits = self.dice.randint(1, MOST_HITS)
        armed = self._start(bus, {VARIABLE: f"{place}:{hits}", LOG_VARIABLE: str(self._fired_file)})
        try:
            armed.popen.wait(FIRE_SECONDS)
        except subprocess.TimeoutExpired:
            self._unfired.append(place)
        self._kill(armed)

    def _die_at_random(self, bus: str) -> None:
        process = self._start(bus, {})
        self.processes.await_ready(process)
        time.sleep(self.dice.uniform(0, LONGEST_LIFE))
        self._kill(process)

    def _kill(self, process: Process) -> None:
        if process.popen.poll() is None:
            process.popen.send_signal(signal.SIGKILL)
            process.popen.wait()
        elif process.popen.returncode != -signal.SIGKILL:
            raise ProcessFailed(process.name, f"exit code {process.popen.returncode} before any kill", process.log)
        self.processes.stop(process)

    def _start(self, bus: str, more: Mapping[str, str]) -> Process:
        name = "orchestrator"
        self.processes.ready_file(name).unlink(missing_ok=True)
        command = ["-m", "orchestrator", "run", "--parts", PARTS, *self.processes.told(name)]
        return self.processes.start(name, command, self._settings(bus) | dict(more))

    def _settings(self, bus: str) -> dict[str, str]:
        return {
            **{f"REDRIVE_{name.upper()}_URL": url for name, url in self.urls.items()},
            "REDRIVE_BUS_URL": bus,
            "REDRIVE_STACKSTORM_URL": "http://127.0.0.1:9",
            "REDRIVE_RUDDERSTACK_URL": self._gateway,
            "REDRIVE_RUDDERSTACK_WRITE_KEY": WRITE_KEY,
            "REDRIVE_API_PORT": self._api.rpartition(":")[2],
        }

    @property
    def _fired_file(self) -> Path:
        return self.folder / "fired.txt"

    def _accepted(self) -> dict[str, str]:
        return {key: kind for client in self._clients for key, kind in client.accepted.items()}

    def _drained(self) -> None:
        """Wait until nothing more can come: no sink has anything pending; raises TimeoutError."""
        deadline, accepted = time.monotonic() + DRAIN_SECONDS, len(self._accepted())
        while not self._settled(accepted):
            self.processes.refuse_ended()
            if time.monotonic() > deadline:
                told = f"{self._sinks()}, {_get(self._gateway, '/stats')}"
                raise TimeoutError(f"expected {accepted} events in every sink within {DRAIN_SECONDS:.0f} s, got {told}")
            time.sleep(LOOK_SECONDS)

    def _settled(self, accepted: int) -> bool:
        try:
            sinks = self._sinks()
        except requests.RequestException:
            return False
        pending = sum(each["pending"] for each in sinks.values())
        return not pending and all(each["accepted"] >= accepted for each in sinks.values())

    def _sinks(self) -> dict[str, dict[str, Any]]:
        return dict(_get(self._api, "/api/v1/sinks"))

    def _counted(self, seconds: float) -> Played:
        warehouse = self.urls["warehouse"]
        hits = fired(self._fired_file)
        return Played(
            accepted=self._accepted(),
            by_way={client.name: len(client.accepted) for client in self._clients},
            rows={table: ids_in(warehouse, table) for table in (EVERY_EVENT, *OWN_TABLES.values())},
            delivered=_get(self._gateway, "/ids"),
            sinks=self._sinks(),
            fired=hits,
            unfired=self._unfired,
            kills=self.kills + len(hits),
            replays=self._asker.replays,
            seconds=round(seconds, 1),
        )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _get(url: str, path: str) -> Any:  # noqa: ANN401 - JSON
    answer = requests.get(url + path, timeout=ASK_SECONDS)
    answer.raise_for_status()
    return answer.json()
