"""Whether the process that leads a part is alive, as another process of this machine sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from threading import Event
from typing import TYPE_CHECKING

import pytest

from eventbus.wire import LLM_CALL
from orchestrator.bootstrap.leadership import Leadership, is_dead, process_name
from orchestrator.bootstrap.supervisor import Loop
from orchestrator.breaker import Breaker
from orchestrator.domain.events import Lane, Passed
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.forwarding import Limits, Relay
from orchestrator.ledger.schema import STORE
from orchestrator.ledger.sql import SqlLedger
from orchestrator.sinks.memory import MemorySink
from tests.events import NOON, record

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
import sys
from orchestrator.bootstrap.leadership import process_name
print(process_name(), flush=True)
sys.stdin.read()
"""
NAMED = bool(process_name().split("/")[0])


@pytest.mark.skipif(not NAMED, reason="needs /proc, which tells one process of another")
def test_a_process_that_was_killed_is_dead_though_nobody_has_fetched_its_status() -> None:
    """Its parent may never do so, and the lead of its parts must not wait for that."""
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as led:
        try:
            assert led.stdout is not None
            name = led.stdout.readline().strip()
            assert not is_dead(name)
        finally:
            led.kill()
        os.waitid(os.P_PID, led.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(name)
        led.wait()
        assert is_dead(name)


def test_this_process_is_alive() -> None:
    """What leads is not taken for dead by itself."""
    assert not is_dead(process_name())


def test_a_process_of_another_machine_is_never_known_to_be_dead() -> None:
    """Its number says nothing here: only its lease does."""
    assert not is_dead(f"another boot/{os.getpid()}/1/x")
    assert not is_dead(f"/{os.getpid()}/1/x")


def test_a_ledger_that_was_lost_sends_nothing_twice_and_holds_nothing_up(tmp_path: Path) -> None:
    """Its leases begin anew, behind the epochs that the event log has seen: each event goes once, under a later one."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    STORE.migrate(url)
    log, sink, stop, steps = MemoryEventLog(), MemorySink("s", [LLM_CALL]), Event(), []
    log.advance("s", Lane.PRIORITY, 0, epoch=5, passed=Passed(NOON))
    log.append([record() for _ in range(3)])
    lead = Leadership(SqlLedger.open(url), "relay", process_name(), 10.0, lambda: NOON)
    breaker, takes, limits = Breaker("s", lambda: 0.0), Subscription(sink.types), Limits(events=1, linger=0)
    relay = Relay(log, sink, takes, Lane.PRIORITY, breaker, lead.epoch, lambda: 0.0, limits)

    def step() -> float:
        steps.append(lead.epoch())
        if len(steps) == 4:
            stop.set()
        return relay.run_once(NOON) or 0.0

    Loop("relay", step, lead).run(stop)
    assert steps == [1, 6, 6, 6]
    assert [each.seq for each in sink.events] == [1, 2, 3]
