"""Attempts of tasks in `code_exec_logs`, and what was decided in `audit_logs`: once, in whichever order events come."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from eventbus.sketch import GRAM, sketch_of
from eventbus.wire import (
    ATTEMPT_ENDED,
    ATTEMPT_RECORDED,
    AUDIT_RECORDED,
    CIRCUIT_CHANGED,
    COMMAND_RECORDED,
    DEPENDENCY_CHANGED,
    GOVERNANCE_RECORDED,
    INCIDENT_OPENED,
    LLM_CALL,
    PROMPT_SIMILARITY,
    REDELIVERY_ENDED,
    RUDDERSTACK_MESSAGE,
    SPAN_ENDED,
    TASK_FAILED,
    from_mapping,
)
from orchestrator.domain.auditing import audit_recorded
from orchestrator.domain.events import Rejected
from orchestrator.flows.filing import record_of
from orchestrator.ledger.sql import SqlLedger
from orchestrator.similarity import Rules
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.warehouse.schema import audit_logs, code_exec_logs, event_logs, prompt_sim_logs, prompt_sketches
from tests.contracts.test_ledger_audit import deed
from tests.events import CALL, NOON, event, record, stored

if TYPE_CHECKING:
    from orchestrator.domain.events import EventRecord
    from tests.unit.orchestrator.warehouse.conftest import Warehouse

ATTEMPT, FAILURE, INCIDENT = (str(UUID(int=number)) for number in (1, 2, 3))
CONTEXT = {"organization_id": "acme", "agent_id": "planner", "node_id": 7}


def failed(attempt: str | None, **changes: Any) -> EventRecord:
    """Make the event of a run that failed: of the first run, or of a redrive."""
    data = {
        "failure_id": FAILURE if attempt is None else str(UUID(int=9)),
        "task_id": "t",
        "task": "shop.ask",
        "retries": 0,
        "attempt_id": attempt,
        "captured": "exception",
        "exception": {"type": "builtins.OSError", "message": "secret", "status": 503, "retry_after": None, "code": "x"},
        "declaration": {"dependency": "model", "idempotent": True},
        "message": {"body": "", "headers": {"redrive-context": CONTEXT}},
        "worker": "w1",
        "occurred_at": NOON.isoformat(),
        "started_at": (NOON - timedelta(seconds=2)).isoformat(),
    }
    return record(event(TASK_FAILED, data | changes))


def recorded() -> EventRecord:
    """Make the event of a redrive that is about to be published."""
    told = {"attempt_id": ATTEMPT, "failure_id": FAILURE, "task_id": "t", "incident_id": INCIDENT}
    more = {"number": 2, "plan": "retry", "release_id": "rel", "execution_id": "x-1"}
    return record(event(ATTEMPT_RECORDED, told | more))


def ended(outcome: str, **more: Any) -> EventRecord:
    """Make the event of a redrive that ended."""
    data = {"attempt_id": ATTEMPT, "task_id": "t", "task": "shop.ask", "outcome": outcome, "worker": "w2"}
    times = {"ended_at": (NOON + timedelta(minutes=1)).isoformat(), "runtime_seconds": 0.5}
    return record(event(ATTEMPT_ENDED, data | times | more))


def redelivered(outcome: str, attempt: str | None = None) -> EventRecord:
    """Make the event of a message that the broker delivered again, and that ended without a failure."""
    data = {"failure_id": FAILURE, "task_id": "t", "task": "shop.ask", "retries": 0, "attempt_id": attempt}
    return record(event(REDELIVERY_ENDED, data | {"outcome": outcome, "ended_at": NOON.isoformat(), "worker": "w3"}))


def test_a_run_that_failed_is_a_row(warehouse: Warehouse) -> None:
    """The first run of a task has number 0 and its failure's id; nothing of its message or its exception's text."""
    warehouse.deliver(failed(None))
    assert warehouse.rows(code_exec_logs) == [
        {
            "id": FAILURE, "failure_id": FAILURE, "task_id": "t", "task": "shop.ask", "number": 0, "retries": 0,
            "outcome": "failed", "captured": "exception", "error_type": "builtins.OSError", "error_status": 503,
            "error_code": "x", "dependency": "model", "worker": "w1", "created_at": NOON, "ended_at": NOON,
            "started_at": NOON - timedelta(seconds=2), "duration_seconds": 2.0, "organization_id": "acme",
            "agent_id": "planner",
        }
    ]  # fmt: skip


def test_an_attempt_is_the_same_row_in_whichever_order_it_is_told(warehouse: Warehouse) -> None:
    """Recorded, failed, ended as failed, skipped: any order, in one batch or in several, and again, is one row."""
    told = [recorded(), failed(ATTEMPT), ended("failed"), ended("skipped", stored="failed")]
    events = [replace(each, time=NOON + timedelta(seconds=later)) for later, each in enumerate(told)]
    seen = []
    for order in permutations(events):
        warehouse.execute("DELETE FROM code_exec_logs")
        cut = random.Random(len(seen)).randrange(5)
        for batch in (order[:cut], order[cut:], order[1:2]):
            warehouse.deliver(*batch)
        seen += warehouse.rows(code_exec_logs)
    assert len(seen) == 24
    assert all(row == seen[0] for row in seen)
    assert seen[0].items() >= {
        "id": ATTEMPT, "attempt_id": ATTEMPT, "failure_id": FAILURE, "incident_id": INCIDENT, "number": 2,
        "plan": "retry", "release_id": "rel", "execution_id": "x-1", "outcome": "failed", "captured": "exception",
        "worker": "w2", "ended_at": NOON + timedelta(minutes=1), "created_at": NOON,
    }.items()  # fmt: skip


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([recorded()], None),
        ([ended("succeeded"), recorded()], "succeeded"),
        ([failed(ATTEMPT), ended("succeeded")], "succeeded"),
        ([ended("skipped", stored="succeeded")], "succeeded"),
        ([ended("skipped", stored=None)], None),
        ([failed(None, captured="worker_killed"), redelivered("succeeded")], "succeeded"),
        ([redelivered("retried"), failed(None)], "retried"),
        ([redelivered("retried", ATTEMPT), ended("failed")], "failed"),
    ],
)
def test_the_last_that_is_known_of_an_attempt_stands(
    warehouse: Warehouse, events: list[EventRecord], outcome: str | None
) -> None:
    """An outcome that came is not taken back by what tells of an earlier moment."""
    for each in events:
        warehouse.deliver(each)
    (row,) = warehouse.rows(code_exec_logs)
    assert row.get("outcome") == outcome


def test_the_greatest_text_is_the_same_one_everywhere(warehouse: Warehouse) -> None:
    """Of two names the later in the order of code points stays, whatever a database sorts by."""
    if warehouse.engine.name == "postgresql":
        sort_by_language(warehouse)
    names = ["b", "A", "Z", "é", "a", "_"]
    for first in names:
        for second in names:
            warehouse.execute("DELETE FROM code_exec_logs")
            warehouse.deliver(failed(None, worker=first))
            warehouse.deliver(failed(None, worker=second))
            assert warehouse.rows(code_exec_logs)[0]["worker"] == max(first, second)


def sort_by_language(warehouse: Warehouse) -> None:
    """Have a column sorted as a database of another locale sorts it: a before A before b."""
    with warehouse.engine.connect() as connection:
        query = "SELECT collname FROM pg_collation WHERE collname IN ('en-x-icu', 'en_US.utf8') LIMIT 1"
        found = connection.execute(sa.text(query)).scalar()
    if found is None:
        pytest.skip("this PostgreSQL knows no order of text but that of code points")
    warehouse.execute(f'ALTER TABLE code_exec_logs ALTER COLUMN worker TYPE TEXT COLLATE "{found}"')


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (failed("no uuid"), "attempt_id"),
        (failed(None, occurred_at="yesterday"), "occurred_at"),
        (failed(None, occurred_at="0001-01-01T00:00:00+14:00"), "occurred_at"),
        (failed(None, retries=-1), "retries"),
        (ended("x" * 21), "outcome"),
        (ended("failed", runtime_seconds=-1), "runtime_seconds"),
        (record(event(COMMAND_RECORDED, {"forced": "yes"})), "forced"),
        (record(event(LLM_CALL, CALL | {"gen_ai.usage.reasoning.output_tokens": "1"})),
         "gen_ai.usage.reasoning.output_tokens"),
    ],
)  # fmt: skip
def test_what_no_row_can_hold_is_refused_with_its_field(warehouse: Warehouse, bad: EventRecord, field: str) -> None:
    """The culprit alone is refused, with its field."""
    answer = warehouse.sink.deliver(stored(recorded(), bad))
    assert isinstance(answer, Rejected)
    assert {seq: refusal.field for seq, refusal in answer.refusals.items()} == {2: field}


def test_a_length_beyond_every_calendar_has_no_beginning(warehouse: Warehouse) -> None:
    """A run of 10^300 seconds is a row without its start, and ends no relay."""
    warehouse.deliver(ended("failed", runtime_seconds=1e300))
    assert "started_at" not in warehouse.rows(code_exec_logs)[0]


def test_what_was_decided_is_a_row(warehouse: Warehouse) -> None:
    """Commands, incidents, dependencies and policies: what, by whom, why, about what; nothing of ordinary events."""
    command = {"command_id": str(uuid4()), "command": "retry", "actor": "ann", "reason": "back", "forced": True,
               "incident_id": INCIDENT, "dependency": "model", "before": {"a": 1}, "after": {}}  # fmt: skip
    opened = {"incident_id": INCIDENT, "kind": "transient", "task": "t", "dependency": None, "size": 1, "reason": "503"}
    changed = {"dependency": "model", "health": "down", "before": "healthy", "reason": "41 of 45"}
    decided = {"event_type": "pii", "policy": "p", "action": "redacted", "details": {}, "user_id": "bo"}
    circuit = {
        "circuit": "w/priority",
        "state": "open",
        "before": "closed",
        "reason": "why",
        "forced": "open",
        "by": "cy",
    }
    told = [(COMMAND_RECORDED, command), (INCIDENT_OPENED, opened), (DEPENDENCY_CHANGED, changed)]
    told += [(CIRCUIT_CHANGED, circuit)]
    events = [record(event(kind, data)) for kind, data in [*told, (GOVERNANCE_RECORDED, decided), (SPAN_ENDED, {})]]
    for _ in range(2):
        warehouse.deliver(*events, recorded(), failed(None))
    rows = {row["what"]: row for row in warehouse.rows(audit_logs)}
    assert rows.keys() == {
        "command.retry", "incident.opened", "dependency.changed", "governance.recorded", "circuit.changed",
    }  # fmt: skip
    assert rows["circuit.changed"].items() >= {"actor": "cy", "action": "open", "reason": "why"}.items()
    assert rows["command.retry"].items() >= {"actor": "ann", "reason": "back", "incident_id": INCIDENT}.items()
    assert bool(rows["command.retry"]["forced"])
    assert json.loads(rows["command.retry"]["details"])["before"] == {"a": 1}
    assert rows["dependency.changed"].items() >= {"actor": "orchestrator", "dependency": "model"}.items()
    assert rows["governance.recorded"].items() >= {"policy": "p", "action": "redacted", "user_id": "bo"}.items()


def test_the_audit_is_exported_whole_and_counted_once(warehouse: Warehouse) -> None:
    """An entry is a row of the events with its hash, which can be made of that row again; it is none of what was done,
    which the command's own event tells of.
    """
    with SqlLedger.in_memory().transaction() as tx:
        entry = tx.audit(deed(before={"f": 0.1}, after={"text": "naïve \x1b"}, overrides=("held",)))
    warehouse.deliver(record_of(audit_recorded(entry)))
    (row,) = warehouse.rows(event_logs)
    told = json.loads(row["data"])
    assert (row["type"], told) == (AUDIT_RECORDED, entry.told)
    content = json.dumps({name: told[name] for name in told if name != "hash"}, sort_keys=True, separators=(",", ":"))
    assert sha256(content.encode()).hexdigest() == told["hash"]
    assert warehouse.rows(audit_logs) == []


def test_an_attempt_is_told_what_it_cost(warehouse: Warehouse) -> None:
    """Of the calls of its task those between its beginning and its end; a call a moment later is another attempt's."""
    call = record(event(LLM_CALL, CALL | {"task_id": "t"}))
    later = replace(record(event(LLM_CALL, CALL | {"task_id": "t"})), time=NOON + timedelta(seconds=1))
    warehouse.deliver(failed(None), ended("succeeded"), call, later, record(event(LLM_CALL, CALL | {"task_id": "u"})))
    first, redrive = sorted(warehouse.rows("code_exec_telemetry"), key=lambda row: row["outcome"])
    assert (first["calls"], Decimal(first["usd_cost"]), first["unpriced"]) == (1, Decimal("0.00075"), 0)
    assert (redrive["calls"], redrive.get("usd_cost")) == (0, None)


def test_every_event_that_was_ever_sent_can_be_loaded(warehouse: Warehouse) -> None:
    """The sample of each version of each type: a row in event_logs, and no refusal."""
    folder = Path(__file__).parents[2] / "eventbus/samples"
    samples = [from_mapping(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    records = [record_of(replace(each, id=str(uuid4()))) for each in samples]
    warehouse.deliver(*records)
    rows = {row["id"]: row for row in warehouse.rows(event_logs)}
    assert rows.keys() == {str(each.key) for each in records}
    messages = [rows[str(each.key)] for each in records if each.type == RUDDERSTACK_MESSAGE]
    assert [row["user_id"] for row in messages] == ["ann"]
    assert len(warehouse.rows(code_exec_logs)) == 2


def test_a_prompt_that_was_blocked_is_told(warehouse: Warehouse) -> None:
    """Its score stands beside its event, and in the audit with the hash of the prompt that it is like."""
    first, second = (record(event(PROMPT_SIMILARITY, sketched() | {"blocked": blocked})) for blocked in (False, True))
    warehouse.deliver(first)
    warehouse.deliver(second)
    scores = {row["id"]: row.get("similarity_score") for row in warehouse.rows(event_logs)}
    assert scores == {str(first.key): None, str(second.key): pytest.approx(1.0)}
    (audit,) = warehouse.rows(audit_logs)
    assert (audit["id"], audit["what"], audit["organization_id"]) == (str(second.key), "prompt.blocked", "acme")
    assert audit["similarity_score"] == pytest.approx(1.0)
    assert json.loads(audit["details"])["matched_prompt_hash"] == sketched()["prompt_hash"]


def test_a_prompt_that_comes_again_is_not_compared_with_itself(warehouse: Warehouse) -> None:
    """Twice in a batch, and the batch twice: neither its rows nor the audit say that it is like another."""
    warehouse.sink = WarehouseSink(warehouse.url, rules=Rules(blocks=True))
    texts = [uuid4().hex * 4 for _ in range(3)]
    prompts = [record(event(PROMPT_SIMILARITY, sketched(text) | {"blocked": False})) for text in texts]
    tables = (event_logs, prompt_sim_logs, audit_logs, prompt_sketches)
    warehouse.deliver(*prompts, *prompts)
    before = [warehouse.rows(table) for table in tables]
    assert [len(rows) for rows in before] == [3, 3, 0, 3]
    warehouse.deliver(*prompts)
    assert [warehouse.rows(table) for table in tables] == before


def test_a_prompt_among_some_that_come_again_is_scored(warehouse: Warehouse) -> None:
    """The new one is found to be like the one that is there; that one stays as it was."""
    first, second = (record(event(PROMPT_SIMILARITY, sketched() | {"blocked": False})) for _ in range(2))
    warehouse.deliver(first)
    warehouse.deliver(first, second)
    scores = {row["id"]: row.get("similarity_score") for row in warehouse.rows(prompt_sim_logs)}
    assert scores == {str(first.key): None, str(second.key): pytest.approx(1.0)}


def sketched(text: str = "Summarise the complaint.") -> dict[str, Any]:
    """Give the data of a prompt's event."""
    made = sketch_of(text, "s")
    sketch = {"key": made.key_name, "gram": GRAM, "counts": made.counts}
    return {"prompt_hash": made.prompt_hash, "sketch": sketch, "organization_id": "acme"}
