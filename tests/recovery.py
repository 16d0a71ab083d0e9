"""What recovery knows, as values and as events, for tests."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from eventbus.wire import ATTEMPT_ENDED, REDELIVERY_ENDED, TASK_FAILED, WORKER_SEEN, Event, failure_id
from orchestrator.domain.attempts import Attempt, AttemptState
from orchestrator.domain.dispatches import Dispatch, DispatchState
from orchestrator.domain.failures import Declaration, ExceptionFacts, Failure, FailureState, Kind, TaskMessage
from orchestrator.domain.incidents import Incident, IncidentState, Trigger
from orchestrator.domain.plan import Plan, PlanName
from orchestrator.domain.release import Release, ReleaseState
from orchestrator.domain.standing import StoredFailure, moved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.domain.ledger import Ledger, LedgerTx

NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)
RETRY = Plan(PlanName.RETRY, "it passes by itself", execution_id="e-1")
SOURCE = "urn:redrive:test-worker"


def message(number: int = 0, **changes: Any) -> TaskMessage:
    """Make the message of task t<number>, as Celery publishes one."""
    made = TaskMessage(
        body=b'[[1], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
        content_type="application/json",
        content_encoding="utf-8",
        headers={"lang": "py", "task": "app.call", "id": f"t{number}", "retries": 0, "root_id": f"t{number}"},
        properties={"correlation_id": f"t{number}", "reply_to": "back", "priority": 3, "delivery_mode": 2},
        exchange="",
        routing_key="celery",
    )
    return replace(made, **changes)


def failure(number: int = 0, **changes: Any) -> Failure:
    """Make the failure of task t<number>, a second after that of the one before."""
    made = Failure(
        id=failure_id(f"t{number}", 0, None),
        task_id=f"t{number}",
        task="app.call",
        retries=0,
        attempt_id=None,
        exception=ExceptionFacts(
            "requests.HTTPError", f"503 for call {number}", "a trace", ("builtins.OSError",), 503, 2.5
        ),
        message=message(number),
        declaration=Declaration("model", idempotent=True),
        occurred_at=NOON + timedelta(seconds=number),
        event_id=str(uuid4()),
        worker="w1",
    )
    return replace(made, **changes)


def incident(**changes: Any) -> Incident:
    """Make an incident that was just opened."""
    made = Incident(
        id=uuid4(),
        signature="app.call requests.HTTPError <n> for call <n>",
        dependency="model",
        task="app.call",
        kind=Kind.TRANSIENT,
        why="the dependency answered 503",
        state=IncidentState.OPEN,
        revision=1,
        size=1,
        idempotent=True,
        opened_at=NOON,
        first_failure_id=failure(0).id,
        told_at=NOON,
    )
    return replace(made, **changes)


def release(incident_id: UUID, **changes: Any) -> Release:
    """Make a release that waits behind its gate."""
    made = Release(uuid4(), incident_id, RETRY, ReleaseState.HOLDING, gate_at=NOON, started_at=NOON)
    return replace(made, **changes)


def attempt(of: Failure, within: Release, number: int = 1, **changes: Any) -> Attempt:
    """Make an attempt that was just recorded."""
    made = Attempt(
        id=uuid4(),
        failure_id=of.id,
        task_id=of.task_id,
        incident_id=within.incident_id,
        release_id=within.id,
        number=number,
        turn=number,
        plan="retry",
        state=AttemptState.RECORDED,
        recorded_at=NOON,
    )
    return replace(made, **changes)


def dispatch(incident_id: UUID, **changes: Any) -> Dispatch:
    """Make a trigger that is to be sent now."""
    made = Dispatch(
        id=uuid4(),
        incident_id=incident_id,
        trigger=str(Trigger.INCIDENT_OPENED),
        payload={"incident_id": str(incident_id), "kind": "transient"},
        state=DispatchState.PENDING,
        next_at=NOON,
        created_at=NOON,
    )
    return replace(made, **changes)


def filed(ledger: Ledger, *failures: Failure, **changes: Any) -> Incident:
    """Store an incident with these failures, each held."""
    made = incident(**{"size": len(failures), **changes})
    with ledger.transaction() as tx:
        tx.add_incident(made)
        for each in failures:
            tx.add_failure(held(each, made))
    return made


def held(failed: Failure, within: Incident, **changes: Any) -> StoredFailure:
    """Make a failure that is held in an incident."""
    made = StoredFailure(
        failure=failed,
        incident_id=within.id,
        kind=within.kind,
        state=FailureState.HELD,
        idempotent=failed.declaration.idempotent,
        why=within.why,
        ways=(failed.captured,),
        last_seen_at=NOON,
        began_at=failed.began_at,
        counted_as=within.kind,
    )
    return replace(made, **changes)


def move(tx: LedgerTx, failure_ids: Iterable[UUID], state: FailureState, now: datetime = NOON) -> None:
    """Move failures to a state."""
    for each in failure_ids:
        stored = tx.failure(each)
        assert stored is not None
        tx.save_failure(moved(stored, state, now))


def failed_event(
    number: int = 0, *, attempt_id: UUID | None = None, event_id: str | None = None, **changes: Any
) -> Event:
    """Make the event of a failed run of task t<number>; `changes` replace fields of its data."""
    attempt_text = str(attempt_id) if attempt_id else None
    given = message(number)
    data = {
        "failure_id": str(failure_id(f"t{number}", 0, attempt_text)),
        "task_id": f"t{number}",
        "task": "app.call",
        "retries": 0,
        "attempt_id": attempt_text,
        "captured": "exception",
        "exception": {
            "type": "requests.HTTPError",
            "message": f"503 for call {number}",
            "traceback": "Traceback ...",
            "chain": [],
            "status": 503,
            "retry_after": None,
        },
        "declaration": {"dependency": "model", "idempotent": True},
        "message": {
            "body": b64encode(given.body).decode(),
            "content_type": given.content_type,
            "content_encoding": given.content_encoding,
            "headers": dict(given.headers),
            "properties": dict(given.properties),
            "exchange": given.exchange,
            "routing_key": given.routing_key,
        },
        "worker": "w1",
        "occurred_at": (NOON + timedelta(seconds=number)).isoformat(),
    }
    return Event(event_id or str(uuid4()), SOURCE, TASK_FAILED, NOON, data | changes)


def seen_event(sent_at: datetime, *, boot: int | str = 1, **changes: Any) -> Event:
    """Make a heartbeat of the worker celery@a, with two children of which one is busy; `changes` replace its data."""
    data = {
        "worker": "celery@a",
        "boot": str(UUID(int=boot)) if isinstance(boot, int) else boot,
        "host": "a",
        "pid": 10,
        "state": "running",
        "started_at": NOON.isoformat(),
        "seen_at": sent_at.isoformat(),
        "children": [11, 12],
        "in_flight": 1,
        "every_seconds": 5,
    }
    return Event(str(uuid4()), SOURCE, WORKER_SEEN, sent_at, data | changes)


def ended_event(attempt_id: UUID, outcome: str = "succeeded", *, event_id: str | None = None, **changes: Any) -> Event:
    """Make the event of a redriven run that ended."""
    data = {
        "attempt_id": str(attempt_id),
        "task_id": "t0",
        "task": "app.call",
        "outcome": outcome,
        "ended_at": NOON.isoformat(),
        "runtime_seconds": 0.5,
        "worker": "w1",
    }
    return Event(event_id or str(uuid4()), SOURCE, ATTEMPT_ENDED, NOON, data | changes)


def redelivered_event(number: int = 0, *, seconds: float = 60, **changes: Any) -> Event:
    """Make the event of a redelivered run of task t<number> that ended well, some seconds after noon."""
    data = {
        "failure_id": str(failure_id(f"t{number}", 0, None)),
        "task_id": f"t{number}",
        "task": "app.call",
        "retries": 0,
        "attempt_id": None,
        "outcome": "succeeded",
        "ended_at": (NOON + timedelta(seconds=seconds)).isoformat(),
        "worker": "w2",
    }
    return Event(str(uuid4()), SOURCE, REDELIVERY_ENDED, NOON, data | changes)
