"""The nightly load test as its users have it: StackStorm's timer, the service, the orchestrator, a pager."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests
import sqlalchemy
import uvicorn

from loadtests.serving.desk import COMMANDED, Desk
from loadtests.serving.service import create_app
from loadtests.serving.telling import teller
from orchestrator.dev.stack import Stack, free_port
from tests.integration.serving.desks import desk_in
from tests.pagers import ROUTING_KEY, PagerDuty, pagerduty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60.0
# A whole play of a scenario on a machine that does other things too.
PLAY_SECONDS = 400.0
BREACH = """\
about = "A few seconds, held against a gate that nothing meets"
rate = 10
seed = 1
engines = "embedded"
operators = 0
gates = "GATES"

[[phases]]
name = "load"
kind = "load"
seconds = 6
"""
GATES = """\
[[gate]]
figure = "end_to_end_p50_ms"
below = 0.000001
judged_by = "value"
reason = "Nothing is as fast."
"""


class Night:
    """A stack whose StackStorm has both packs, a service of load tests, and somebody who is woken."""

    def __init__(self, folder: Path, desk: Desk, pager: PagerDuty, packs: Path) -> None:
        self.pager, self.desk = pager, desk
        table = {
            "default": "night",
            # what comes a quarter of an hour after an end goes on with it, where nights are days apart
            "flapping_seconds": 1,
            "targets": {"pager": {"kind": "pagerduty", "routing_key": ROUTING_KEY, "url": pager.url}},
            "ladders": {"night": {"levels": [{"name": "on-call", "targets": ["pager"]}]}},
        }
        environ = {"REDRIVE_ALERTS": json.dumps(table)}
        self.stack = Stack(folder / "stack", packs=packs, api_port=free_port(), environ=environ)
        self.service = free_port()
        tell = teller(f"http://127.0.0.1:{self.stack.api_port}", None)
        config = uvicorn.Config(create_app(desk, "", tell), port=self.service, log_config=None)
        self.server = uvicorn.Server(config)
        configs = folder / "stack" / "configs"
        configs.mkdir(parents=True)
        url = f"service_url: http://127.0.0.1:{self.service}\n"
        (configs / "redrive_performance.yaml").write_text(url)

    def start(self) -> None:
        """Start all of it."""
        self.desk.open()
        self.thread = Thread(target=self.server.run)
        self.thread.start()
        self.stack.start()

    def stop(self) -> None:
        """Stop all of it, a run that goes too."""
        for run in self.desk.runs():
            self.desk.stop(run.record.id)
        until(lambda: all(run.state != "running" for run in self.desk.runs()))
        self.stack.stop()
        self.server.should_exit = True
        self.thread.join()
        self.desk.close()

    def play(self, scenario: str) -> dict[str, Any]:
        """Play a night by hand, to its end."""
        asked = {"scenario": scenario, "poll_seconds": 0.2, "timeout_seconds": 60}
        body = {"action": "redrive_performance.nightly", "parameters": asked}
        answer = requests.post(f"{self.stack.stackstorm_url}/v1/executions", json=body, timeout=5)
        assert answer.status_code == 201, answer.text
        return self.ended(answer.json()["id"])

    def watch(self, scenario: str) -> dict[str, Any]:
        """Have the watch look after a scenario, and wait for its end."""
        body = {"action": "redrive_performance.watch", "parameters": {"scenario": scenario}}
        answer = requests.post(f"{self.stack.stackstorm_url}/v1/executions", json=body, timeout=5)
        return self.ended(answer.json()["id"])

    def ended(self, execution: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait for the end of an execution."""
        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(requests.get(f"{self.stack.stackstorm_url}/v1/executions/{execution}", timeout=5).json())
            return found["status"] in ("succeeded", "failed", "timeout", "canceled")

        until(over, seconds)
        return found

    def executions(self, action: str) -> list[dict[str, Any]]:
        """Give the executions of an action."""
        asked = {"action": action}
        return list(requests.get(f"{self.stack.stackstorm_url}/v1/executions", params=asked, timeout=5).json())

    def incidents(self) -> list[dict[str, Any]]:
        """Give all incidents."""
        return list(requests.get(f"{self.stack.api_url}/api/v1/incidents", timeout=5).json()["incidents"])

    def rows(self) -> list[tuple[str, str]]:
        """Give scenario and outcome of each run in the warehouse."""
        engine = sqlalchemy.create_engine(self.stack.engines.warehouse)
        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text("SELECT scenario, outcome FROM loadtest_runs ORDER BY run_id"))
            return [(str(scenario), str(outcome)) for scenario, outcome in found]


def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def pager() -> Iterator[PagerDuty]:
    """Somebody who is woken."""
    with pagerduty() as server:
        yield server


@pytest.fixture
def make_night(tmp_path: Path, pager: PagerDuty, packs: Path) -> Iterator[Callable[[Desk], Night]]:
    """Make a night with a desk, started; it is stopped when the test ends."""
    made: list[Night] = []

    def make(desk: Desk) -> Night:
        night = Night(tmp_path, desk, pager, packs)
        made.append(night)
        night.start()
        return night

    yield make
    for each in made:
        each.stop()


@pytest.mark.slow
def test_a_breach_wakes_once_until_a_night_has_passed(
    make_night: Callable[[Desk], Night], tmp_path: Path, pager: PagerDuty
) -> None:
    """Three nights that miss the same gate are one incident and one page; after a night that passes it is another."""
    night = make_night(desk_in(tmp_path))
    first = night.play("misses")
    assert (first["status"], first["result"]["output"]["outcome"]) == ("failed", "missed")
    until(lambda: pager.pages == 1)
    for _ in range(2):
        assert night.play("misses")["result"]["output"]["incident_id"] == first["result"]["output"]["incident_id"]
    (incident,) = night.incidents()
    assert (incident["size"], incident["kind"], incident["plan"]["name"]) == (3, "permanent", "escalate")
    assert incident["task"] == "redrive_performance.misses"
    # a plan for each breach, by the pack redrive's own rule: the workflow adds none
    planned = [each["rule"]["ref"] for each in night.executions("redrive.escalate")]
    assert planned == ["redrive.escalate"] * 3
    # the watch tells of the same three: nothing is new
    assert len(night.watch("misses")["result"]["output"]["no_pass"]) == 3
    assert night.incidents()[0]["size"] == 3
    assert pager.pages == 1
    # another scenario passes: that closes nothing of this one
    assert night.play("passes")["status"] == "succeeded"
    assert night.incidents()[0]["state"] == "waiting"
    _pass(night, "misses")
    assert night.incidents()[0]["state"] == "discarded"
    until(lambda: [each.status for each in pager.incidents.values()] == ["resolved"])
    # told again after its end, it wakes nobody
    assert night.watch("misses")["status"] == "succeeded"
    assert (len(night.incidents()), pager.pages) == (1, 1)
    _miss(night, "misses")
    time.sleep(1.5)
    assert night.play("misses")["status"] == "failed"
    until(lambda: pager.pages == 2)
    until(lambda: len(night.rows()) == 6)
    outcomes = [outcome for _, outcome in night.rows()]
    assert sorted(outcomes) == ["missed"] * 4 + ["passed"] * 2


def _pass(night: Night, scenario: str) -> None:
    """Have a scenario pass this once, by a file that its stand-in looks for."""
    (night.desk.out / f"{scenario}.passes").touch()
    assert night.play(scenario)["status"] == "succeeded"


def _miss(night: Night, scenario: str) -> None:
    (night.desk.out / f"{scenario}.passes").unlink()


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_the_timer_of_stackstorm_plays_a_scenario_and_its_breach_is_escalated(
    make_night: Callable[[Desk], Night], tmp_path: Path, packs: Path, pager: PagerDuty
) -> None:
    """At the next minute, by the rule as it ships but for its time: the run, the report, the row, the event, a page."""
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / "gates.toml").write_text(GATES)
    (scenarios / "breach.toml").write_text(BREACH.replace("GATES", str(scenarios / "gates.toml")))
    at = datetime.now(UTC) + timedelta(seconds=25)
    at = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    rule = packs / "redrive_performance/rules/nightly.yaml"
    text = re.sub(r"hour: 2\n", f"hour: {at.hour}\n", rule.read_text())
    text = re.sub(r"minute: 0\n", f"minute: {at.minute}\n", text)
    text = text.replace("enabled: false", "enabled: true").replace("scenario: nightly", "scenario: breach")
    rule.write_text(text.replace('at: "02:00"', f'at: "{at:%H:%M}"'))
    night = make_night(Desk(tmp_path / "out", COMMANDED, scenarios))
    until(lambda: bool(night.executions("redrive_performance.nightly")), 120)
    (execution,) = night.executions("redrive_performance.nightly")
    assert execution["rule"]["ref"] == "redrive_performance.nightly"
    assert datetime.fromisoformat(execution["start_timestamp"]) >= at
    done = night.ended(execution["id"], PLAY_SECONDS)
    output = done["result"]["output"]
    log = (tmp_path / "out/serving" / output["run_id"] / "log.txt").read_text()
    assert (done["status"], output["outcome"], output["gates"]) == ("failed", "missed", ["end_to_end_p50_ms"]), log
    page = requests.get(f"http://127.0.0.1:{night.service}{output['links']['report.html']}", timeout=5)
    assert (page.status_code, "end_to_end_p50_ms" in page.text) == (200, True)
    until(lambda: night.rows() == [("breach", "missed")])
    sent = requests.get(f"{night.stack.api_url}/api/v1/events/{output['event_id']}", timeout=5)
    assert sent.status_code == 200
    until(lambda: pager.pages == 1)
    (incident,) = night.incidents()
    assert (incident["task"], incident["size"]) == ("redrive_performance.breach", 1)
    assert len(night.executions("redrive.escalate")) == 1
    assert not _left(output["run_id"]), "expected nothing of the run to be left"


def _left(run_id: str) -> list[str]:
    """Name the processes that have a run in their environment, which all that it starts inherit."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if f"LOADTESTS_RUN_ID={run_id}".encode() in (each / "environ").read_bytes():
                found.append((each / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
