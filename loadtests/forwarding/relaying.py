"""One relay process and the RudderStack SDK's own client, in turns, to one gateway."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from loadtests.forwarding.gateway import WRITE_KEY, Gateway
from loadtests.forwarding.relays import RelayOf
from loadtests.inside.filling import ids

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from loadtests.processes import Processes

SDK, STORED, LIVE = "sdk", "stored", "live"
WAIT_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """One turn: events a second between the gateway's first and last batch, and how many of them never came."""

    who: str
    per_second: float
    posts: int
    lost: int
    duplicates: int


@dataclass(slots=True)
class Turns:
    """Runs the turns; each relay has a log of its own, a SQLite file."""

    processes: Processes
    gateway: Gateway
    events: int
    _turn: int = 0

    def sdk(self) -> Run:
        """Have the SDK's client send them."""
        self.gateway.forget()
        command = ["-m", "loadtests.apps.rudder_client", "--data-plane", self.gateway.url, "--write-key", WRITE_KEY]
        sender = self.processes.start("sdk", [*command, "--events", str(self.events)])
        _end(sender.popen)
        self.processes.stop(sender)
        return self._run(SDK, self.gateway.stats()["distinct"])

    def stored(self) -> Run:
        """Have a relay send what was in its log before it started."""
        log, seed = self._log()
        self._fill(log, seed)
        return self._relayed(STORED, log, seed)

    def live(self) -> Run:
        """Have a relay send what another process puts into its log meanwhile, as fast as it can."""
        log, seed = self._log()
        return self._relayed(LIVE, log, seed, live=True)

    def _log(self) -> tuple[Path, int]:
        self._turn += 1
        return self.processes.folder / f"eventlog-{self._turn}.sqlite", self._turn

    def _fill(self, log: Path, seed: int) -> None:
        command = ["-m", "loadtests.inside.filling", "--log", f"sqlite:///{log}", "--events", str(self.events)]
        filling = self.processes.start("filling", [*command, "--seed", str(seed)])
        _end(filling.popen)
        self.processes.stop(filling)

    def _relayed(self, who: str, log: Path, seed: int, *, live: bool = False) -> Run:
        self.gateway.forget()
        relay = self._relay(log).start(self.processes)
        if live:
            self.processes.await_ready(relay)
            self._fill(log, seed)
        self._wait()
        self.processes.stop(relay)
        sent = ids(Random(seed), self.events)
        return self._run(who, len(sent & self.gateway.ids().keys()))

    def _relay(self, log: Path) -> RelayOf:
        to_the_gateway = {
            "REDRIVE_RUDDERSTACK_URL": self.gateway.url,
            "REDRIVE_RUDDERSTACK_WRITE_KEY": WRITE_KEY,
            # The warehouse has its own measurement: here it gets a type that never comes.
            "REDRIVE_SINKS": '{"warehouse": {"kind": "warehouse", "types": ["redrive.command.recorded.v1"]}}',
        }
        warehouse = f"sqlite:///{self.processes.folder / 'unused.sqlite'}"
        return RelayOf("relay", f"sqlite:///{log}", warehouse, to_the_gateway)

    def _wait(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while self.gateway.stats()["distinct"] < self.events and time.monotonic() < deadline:
            self.processes.refuse_ended()
            time.sleep(LOOK_SECONDS)

    def _run(self, who: str, came: int) -> Run:
        stats: dict[str, Any] = self.gateway.stats()
        between = (stats["last"] or 0.0) - (stats["first"] or 0.0)
        return Run(
            who=who,
            per_second=round((stats["deliveries"] - stats["first_events"]) / between) if between else 0,
            posts=stats["posts"],
            lost=self.events - came,
            duplicates=stats["deliveries"] - stats["distinct"],
        )


def _end(popen: subprocess.Popen[bytes]) -> None:
    if popen.wait(WAIT_SECONDS) != 0:
        raise RuntimeError(f"expected exit code 0 of {popen.args!r}, got {popen.returncode}")
