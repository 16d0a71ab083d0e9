"""A person's way from the alert to recovered: the commands they type, each run for real, and what is checked beside."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.night.pager import LEVELS
from tests.acceptance.night.recovery import PATH, Recovery
from tests.acceptance.night.terminal import Terminal

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.acceptance.night.night import Night
    from tests.acceptance.night.pager import Message
    from tests.acceptance.night.terminal import Screen

DRY_RUNS: Final = 5
QUERY: Final = {"dependency": "payments-api"}
PAYMENTS, MODEL = "payments-api", "model-api"
KNOWN: Final = "awake, and looking at payments-api"
REASON: Final = "payments-api is back, says its status page"
SECONDS: Final = 1_200.0
LOOK_SECONDS: Final = 1.0
# What takes a moment, where the orchestrator has much else to do.
BUSY_SECONDS: Final = 300.0


@dataclass(slots=True)
class Walk:
    """The walk through one night, which is paged. `pages`: what rang the phone, of each dependency;
    `before`: who was woken for payments-api before it was acknowledged.

    `dry_seconds`: of each dry run over HTTP; `spans`: how long each part took.
    """

    night: Night
    terminal: Terminal = field(init=False)
    recovery: Recovery = field(init=False)
    pages: dict[str, Message] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    dry_seconds: list[float] = field(default_factory=list)
    spans: dict[str, float] = field(default_factory=dict)
    in_flight: int = 200

    def go(self) -> None:
        """Walk it: woken, say so; why, what would happen, do it, whose is the rest, what it was."""
        night = self.night
        self.terminal = Terminal(night.ground.stack.api_url)
        self.pages = {name: self._rung(name) for name in (PAYMENTS, MODEL)}
        paying, reading = (self.pages[name].incident for name in (PAYMENTS, MODEL))
        self.terminal.type("alerts", "acknowledge", self.pages[PAYMENTS].alert, "--reason", KNOWN, "--yes")
        self._expect_stopped()
        night.bring_back(PAYMENTS)
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

    def _rung(self, dependency: str) -> Message:
        """Wait until the phone rings for a dependency."""
        pager, until = self.night.pager, self.night.ground.until
        found: Message = until("the phone to ring", lambda: pager.woken(dependency, LEVELS[1]), BUSY_SECONDS)
        return found

    def _expect_stopped(self) -> None:
        """See that the alert is acknowledged; who was woken by then are all that are to be woken for it."""
        path, ground = f"/api/v1/alerts/{self.pages[PAYMENTS].alert}", self.night.ground
        ground.until("the ladder to stop", lambda: ground.ask(path)["state"] == "acknowledged", BUSY_SECONDS)
        self.before = [each["name"] for each in ground.ask(path)["raised"]]

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
        found = self.night.ground.until("a recovery", lambda: typed.done() or self._recoveries(), BUSY_SECONDS)
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
        """Bring the model back once the lead was woken for it: what leans on it goes by itself then."""
        pager, until = self.night.pager, self.night.ground.until
        until("the lead to be woken", lambda: pager.woken(MODEL, LEVELS[2]), pager.unanswered + BUSY_SECONDS)
        began = time.monotonic()
        self.night.bring_back(MODEL)
        until("everything to recover", self._all_recovered, SECONDS)
        until("the end to be told", self._all_told, BUSY_SECONDS)
        self.spans["by itself"] = time.monotonic() - began

    def _all_recovered(self) -> bool:
        return {each["state"] for each in self.night.ground.ask("/api/v1/incidents")["incidents"]} == {"recovered"}

    def _all_told(self) -> bool:
        """Tell whether everybody who was woken has heard that it is over."""
        pager = self.night.pager
        return pager.ended(PAYMENTS, *self.before) and pager.ended(MODEL, *LEVELS)
