"""A person's way from the alert to recovered: the commands they type, each run for real, and what is checked beside."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.night.recovery import PATH, Recovery
from tests.acceptance.night.terminal import Terminal

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.acceptance.night.night import Night
    from tests.acceptance.night.terminal import Screen

DRY_RUNS: Final = 5
QUERY: Final = {"dependency": "payments-api"}
REASON: Final = "payments-api is back, says its status page"
SECONDS: Final = 1_200.0
LOOK_SECONDS: Final = 1.0


@dataclass(slots=True)
class Walk:
    """The walk through one night. `dry_seconds`: of each dry run over HTTP; `spans`: how long each part took."""

    night: Night
    terminal: Terminal = field(init=False)
    recovery: Recovery = field(init=False)
    dry_seconds: list[float] = field(default_factory=list)
    spans: dict[str, float] = field(default_factory=dict)
    in_flight: int = 200

    def go(self) -> None:
        """Walk it: what is up, why, what would happen, do it, whose is the rest, what it was."""
        night = self.night
        self.terminal = Terminal(night.ground.stack.api_url)
        night.bring_back("payments-api")
        listed = self.terminal.type("incidents")
        paying, reading = short_id(listed, "payments.charge"), short_id(listed, "texts.summarise")
        told = self.terminal.type("why", paying)
        assert f"redrive retry --incident {paying}" in told.output, told.output
        self._time_dry_runs()
        asked = ("retry", "--query", "dependency=payments-api", "--reason", REASON)
        self.terminal.type(*asked)
        self._follow(*asked, "--in-flight", str(self.in_flight), "--yes", "--watch")
        said = ("--assign", "ada", "--acknowledge", "--reason", "their status page says two hours")
        self.terminal.type("incidents", "update", reading, *said)
        self._until_all_is_over()
        self.terminal.type("postmortem", paying, document=True)

    @property
    def where(self) -> str:
        """Say on what it was played."""
        engines = self.night.ground.stack.engines
        kept = "PostgreSQL" if engines.ledger.startswith("postgres") else "SQLite files"
        bus = "RabbitMQ" if engines.bus.startswith("amqp") else "the SQLite bus"
        return f"on {kept} and {bus}, with {os.cpu_count()} cores for all of it, the workers too"

    def _time_dry_runs(self) -> None:
        """Time the dry run as the API answers it, at this size."""
        body = {"query": QUERY, "reason": REASON, "dry_run": True}
        for _ in range(DRY_RUNS):
            began = time.perf_counter()
            answer = self.night.ground.command("POST", "/recovery/retry", body)
            self.dry_seconds.append(time.perf_counter() - began)
            assert answer.json()["eligible"] == self.night.paying, answer.text

    def _follow(self, *arguments: str) -> None:
        """Type the command that does it, and look at its progress, beside, until the recovery is over."""
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            typed = pool.submit(self.terminal.type, *arguments)
            self.recovery = Recovery(self.night, {"query": QUERY}, self._asked_for(typed))
            self._look_until_over(typed)
            typed.result()
        self.spans["recovery"] = time.monotonic() - began
        self.recovery.look().expect_exact()

    def _asked_for(self, typed: Future[Screen]) -> str:
        """Find the recovery that the command asked for."""
        found = self.night.ground.until("a recovery", lambda: typed.done() or self._recoveries())
        assert found is not True or typed.result(), "expected a recovery that was asked for, got none"
        return str(self._recoveries()[0]["id"])

    def _recoveries(self) -> list[dict[str, Any]]:
        return list(self.night.ground.ask(PATH)["retries"])

    def _look_until_over(self, typed: Future[Screen]) -> None:
        deadline = time.monotonic() + SECONDS
        while not self.recovery.look().over:
            assert time.monotonic() < deadline, self.recovery.looks[-1]
            if typed.done():
                typed.result()
            time.sleep(LOOK_SECONDS)

    def _until_all_is_over(self) -> None:
        """Bring the model back: what leans on it goes by itself, since its gate opens."""
        began = time.monotonic()
        self.night.bring_back("model-api")
        self.night.ground.until("everything to recover", self._all_recovered, SECONDS)
        self.spans["by itself"] = time.monotonic() - began

    def _all_recovered(self) -> bool:
        return {each["state"] for each in self.night.ground.ask("/api/v1/incidents")["incidents"]} == {"recovered"}


def short_id(listed: Screen, task: str) -> str:
    """Read the id of a task's incident off the screen, as a person does; a narrow one shows the end of its name."""
    name = task.rpartition(".")[2]
    (line,) = (each for each in listed.output.splitlines() if name in each and not each.startswith("next"))
    return line.split()[0]
