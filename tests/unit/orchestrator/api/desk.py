"""A desk with events and two sinks, as the tests of its API need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventbus.wire import COMMAND_RECORDED, LLM_CALL
from orchestrator.domain.events import Lane, Passed, Refusal
from orchestrator.domain.subscriptions import Subscription
from orchestrator.flows.replaying import Replayer
from orchestrator.sinks.memory import MemorySink
from tests.contracts.test_replays import Open

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

EVENTS = "/api/v1/events"
REPLAY = f"{EVENTS}/replay"
DISCARD = f"{EVENTS}/discard"
WHY = {"reason": "the column is wider now"}
KEY = {"Idempotency-Key": "k1"}


def keys(api: Served) -> list[str]:
    """Give the keys in the order of the log."""
    return [str(each.record.key) for each in api.scene.log.read(Lane.PRIORITY, 0, 10)]


def send(api: Served) -> MemorySink:
    """Let the warehouse's replayer run once."""
    sink = MemorySink("warehouse", {LLM_CALL})
    Replayer(api.desk.replays, sink, Open(), lambda: 0.0).run_once(api.scene.now)
    return sink


def commands(api: Served) -> list[dict[str, Any]]:
    """Give what the audit was told."""
    with api.scene.ledger.transaction() as tx:
        return [each["data"] for _, each in tx.outbox(1000) if each["type"] == COMMAND_RECORDED]


def left_over(desk: Served) -> str:
    """Let a sink that the settings do not name have refused the first call; two wait for it. Gives its path."""
    log = desk.scene.log
    log.subscribe("acme", Subscription(frozenset({LLM_CALL})))
    log.advance("acme", Lane.PRIORITY, 1, epoch=1, passed=Passed(desk.scene.now, {1: Refusal("no")}))
    return "/api/v1/sinks/acme"
