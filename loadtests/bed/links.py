"""The links of a run that can be made slow or cut: proxies in front of servers, a lock on the embedded bus's file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import requests

from loadtests.bed.ports import free_port
from loadtests.bed.urls import port_of
from loadtests.proxy import Weather
from loadtests.scenarios.scenario import Bus, FaultKind, Link

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from loadtests.bed.urls import Urls
    from loadtests.processes import Process, Processes
    from loadtests.scenarios.scenario import Scenario

ASK_SECONDS: Final = 10.0
EMBEDDED: Final = "redrive+sqlite:"
# How slow a slow bus is: every piece so much later, or the file's lock taken for so long at a time.
SLOW_SECONDS: Final = 0.2
OF_FAULT: Final[Mapping[FaultKind, Weather]] = {
    FaultKind.LINK_LATENCY: Weather.LATENCY,
    FaultKind.LINK_CUT: Weather.CUT,
    FaultKind.LINK_BLACK_HOLE: Weather.BLACK_HOLE,
    FaultKind.LINK_BANDWIDTH: Weather.BANDWIDTH,
}
OF_BUS: Final[Mapping[Bus, tuple[Weather, float]]] = {
    Bus.UP: (Weather.CLEAR, 0.0),
    Bus.SLOW: (Weather.LATENCY, SLOW_SECONDS),
    Bus.DOWN: (Weather.DOWN, 0.0),
}


class Turnable(Protocol):
    """A link whose weather can be turned."""

    def turn(self, weather: Weather, amount: float) -> str:
        """Turn it; `amount` is seconds of latency, or bytes a second. Gives a note of what was done."""


def needed(scenario: Scenario) -> frozenset[Link]:
    """Tell which links a scenario turns: nothing stands in the way of the others."""
    targets = {each.target for phase in scenario.phases for each in phase.faults if each.target}
    weather = {Link.BUS for phase in scenario.phases if phase.bus is not Bus.UP}
    return frozenset(targets | weather)


@dataclass(slots=True)
class ProxyLink:
    """A proxy in a process of its own, on `port`, in front of what listens on `target` (a port of loopback)."""

    processes: Processes
    link: Link
    target: int
    port: int
    _control: str = ""

    def start(self) -> None:
        """Start it; raises ProcessFailed."""
        command = ["-m", "loadtests.bed.link", "--target", f"127.0.0.1:{self.target}", "--port", str(self.port)]
        told: dict[str, Any] = self.processes.serve(f"link-{self.link}", command)
        self._control = told["control"]

    def turn(self, weather: Weather, amount: float) -> str:
        """Turn the proxy's weather."""
        body = {"weather": weather, "amount": amount}
        requests.post(self._control, json=body, timeout=ASK_SECONDS).raise_for_status()
        return f"proxy on port {self.port} in front of {self.target}: {weather}"


@dataclass(slots=True)
class FileLink:
    """A SQLite file, whose write lock another process takes: a while at a time where it is slow, else for good."""

    processes: Processes
    file: Path
    _holder: Process | None = None

    def turn(self, weather: Weather, amount: float) -> str:
        """Have the lock held as the weather says; a file has no bandwidth (ValueError)."""
        if weather is Weather.BANDWIDTH:
            raise ValueError(f"expected a weather that a file can have, got {weather}; use real engines")
        if self._holder is not None:
            self.processes.stop(self._holder)
            self._holder = None
        if weather is Weather.CLEAR:
            return ""
        hold = ["--hold", str(amount)] if weather in {Weather.LATENCY, Weather.SLOW} else []
        command = ["-m", "loadtests.bed.lock", str(self.file), *hold, *self.processes.told("lock")]
        self._holder = self.processes.start("lock", command)
        self.processes.await_ready(self._holder)
        return f"write lock of {self.file.name} held by process {self._holder.popen.pid}"


def proxied(processes: Processes, link: Link, target: int) -> ProxyLink:
    """Put a proxy in front of a port; raises ProcessFailed, NoFreePort."""
    proxy = ProxyLink(processes, link, target, free_port())
    proxy.start()
    return proxy


def linked(
    urls: Urls, processes: Processes, folder: Path, wanted: Collection[Link]
) -> tuple[Urls, dict[Link, Turnable]]:
    """Put links in front of bus and database, where these are wanted; gives the URLs by way of them.

    An embedded bus needs none in front: who turns it takes the lock of its file.
    """
    if urls.bus.startswith(EMBEDDED):
        return urls, {Link.BUS: FileLink(processes, folder / "bus.sqlite")}
    found: dict[Link, Turnable] = {}
    if Link.BUS in wanted:
        found[Link.BUS] = proxy = proxied(processes, Link.BUS, port_of(urls.bus))
        urls = urls.with_bus_at(proxy.port)
    if Link.DATABASE in wanted:
        found[Link.DATABASE] = proxy = proxied(processes, Link.DATABASE, port_of(urls.ledger))
        urls = urls.with_databases_at(proxy.port)
    return urls, found
