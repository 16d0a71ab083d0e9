"""Alerts: who was told of what, and when; a person's word that it is known, or that somebody is to be woken."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field

from orchestrator.api.idempotency import stored_answer
from orchestrator.api.paging import link_next
from orchestrator.api.problems import CursorUnknown
from orchestrator.api.schemas import LONGEST_REASON, Strict, Text
from orchestrator.domain.alerts import Alert, AlertState
from orchestrator.domain.commands import StoredAnswer
from orchestrator.domain.errors import NotFound
from orchestrator.domain.incidents import Incident, Severity
from orchestrator.flows.alert_desk import Asked, Word, acknowledge_alert, escalate
from orchestrator.flows.alert_testing import page_to_test
from orchestrator.flows.taking_up import ladder_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.api.needs import Api
    from orchestrator.domain.ledger import LedgerTx

MOST = 1_000
MOST_SHOWN = 100
router = APIRouter(prefix="/api/v1", tags=["alerts"])
Reason = Annotated[Text, Field(min_length=1, max_length=LONGEST_REASON)]
Key = Annotated[str | None, Header(min_length=1, max_length=255, alias="Idempotency-Key")]
Named = Annotated[Text, Field(min_length=1, max_length=30)]


class AcknowledgeBody(Strict):
    """Why nobody else is to be woken; with `dry_run` it is only told which incidents that is about."""

    reason: Reason
    dry_run: bool = False


class EscalateBody(Strict):
    """Why somebody is to be woken, and who: the next level where none is named."""

    reason: Reason
    ladder: Named | None = None
    level: Named | None = None
    severity: Severity | None = None
    execution_id: Annotated[Text, Field(min_length=1, max_length=64)] | None = None

    def asked(self) -> Asked:
        """Make the domain's value."""
        return Asked(self.ladder, self.level, self.severity, self.execution_id)


class TestBody(Strict):
    """Which target is to be sent a test page, and why; with `dry_run` nothing is sent."""

    target: Named
    reason: Reason
    dry_run: bool = False


@router.get("/alerts")
def list_alerts(
    request: Request,
    response: Response,
    state: Annotated[list[AlertState] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    cursor: UUID | None = None,
) -> dict[str, Any]:
    """List alerts, newest first."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        if cursor and tx.alert(cursor) is None:
            raise CursorUnknown(str(cursor))
        found = tx.alerts(state or [], limit, cursor)
    link_next(request, response, limit, [each.id for each in found])
    return {"alerts": [_view(api, each) for each in found], "targets": sorted(api.alert_targets)}


@router.get("/alerts/{alert_id}")
def read_alert(alert_id: UUID, request: Request) -> dict[str, Any]:
    """Show one with its incidents, each level that was told and when, and how long it took to be answered and over."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        alert = tx.alert(alert_id)
        if alert is None:
            raise NotFound("alert", str(alert_id))
        members = tx.members_of(alert_id)
    return _view(api, alert) | {"members": [_member(each) for each in members[:MOST_SHOWN]]}


@router.post("/alerts/{alert_id}/acknowledge")
def acknowledge(alert_id: UUID, body: AcknowledgeBody, request: Request, idempotency_key: Key = None) -> Response:
    """Say that somebody knows: its open incidents are acknowledged, and its ladder stops.

    The same Idempotency-Key gives the same answer for 24 hours, here and in the two below.
    """
    api: Api = request.app.state.api
    if body.dry_run:
        return _answer(HTTPStatus.OK, {"dry_run": True, **read_alert(alert_id, request)})

    def done(tx: LedgerTx) -> dict[str, Any]:
        known = acknowledge_alert(tx, alert_id, _word(request, body.reason))
        return _view(api, known.alert) | {"acknowledged": [str(each) for each in known.incident_ids]}

    return _once(request, body, idempotency_key, HTTPStatus.OK, done)


@router.post("/incidents/{incident_id}/escalate", status_code=HTTPStatus.ACCEPTED)
def escalate_incident(incident_id: UUID, body: EscalateBody, request: Request, idempotency_key: Key = None) -> Response:
    """Have the next level of an incident's alert told now, or the one that is named; for workflows and for people."""
    api: Api = request.app.state.api

    def done(tx: LedgerTx) -> dict[str, Any]:
        alert, command = escalate(tx, incident_id, body.asked(), _word(request, body.reason), api.watch)
        return {"id": command.id, "alert": _view(api, alert), "command": asdict(command)}

    return _once(request, body, idempotency_key, HTTPStatus.ACCEPTED, done)


@router.post("/alert-tests", status_code=HTTPStatus.ACCEPTED)
def send_test(body: TestBody, request: Request, idempotency_key: Key = None) -> Response:
    """Send a test page, and its end, to one target, by the way that every page goes."""
    api: Api = request.app.state.api
    if body.target not in api.alert_targets:
        raise NotFound("target of alerts", body.target)
    if body.dry_run:
        return _answer(HTTPStatus.OK, {"dry_run": True, "target": body.target})

    def done(tx: LedgerTx) -> dict[str, Any]:
        page_to_test(tx, body.target, _word(request, body.reason))
        return {"target": body.target, "sink": f"alerts-{body.target}"}

    return _once(request, body, idempotency_key, HTTPStatus.ACCEPTED, done)


def _once(
    request: Request, body: Strict, key: str | None, status: HTTPStatus, done: Callable[[LedgerTx], dict[str, Any]]
) -> Response:
    """Do it, unless a request with this key has done it: whoever got no answer may ask again, and wakes nobody more."""
    api: Api = request.app.state.api
    digest = sha256(f"{request.url.path}\n{body.model_dump_json()}".encode()).hexdigest()
    with api.ledger.transaction() as tx:
        stored = stored_answer(tx, key, digest, api.clock()) if key else None
        if stored is not None:
            return Response(stored.body, stored.status, media_type="application/json")
        answer = _answer(status, done(tx))
        if key:
            tx.store_answer(key, StoredAnswer(digest, status, bytes(answer.body).decode(), request.url.path))
    return answer


def _answer(status: HTTPStatus, content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content, default=str), status, media_type="application/json")


def _word(request: Request, reason: str) -> Word:
    api: Api = request.app.state.api
    return Word(request.state.actor, reason, api.clock(), api.new_id)


def _view(api: Api, alert: Alert) -> dict[str, Any]:
    ladder = ladder_of(alert, api.watch)
    ahead = ladder.levels[alert.level] if alert.level < len(ladder.levels) else None
    return {
        "id": alert.id,
        "dedup_key": alert.key,
        "state": alert.state,
        "severity": alert.severity,
        "ladder": alert.ladder,
        "level": alert.level,
        "levels": len(ladder.levels),
        "raised": [asdict(each) for each in alert.raised],
        "next_level": ahead.name if ahead else None,
        "next_at": alert.next_at,
        "dependency": alert.dependency,
        "incidents": alert.incidents,
        "size": alert.told.size if alert.told else None,
        "targets": alert.targets,
        "owed": alert.owed,
        "pages": alert.pages,
        "reopened": alert.reopened,
        "began_at": alert.began_at,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by,
        "resolved_at": alert.resolved_at,
        "seconds_to_acknowledge": alert.seconds_to_acknowledge,
        "seconds_to_resolve": alert.seconds_to_resolve,
    }


def _member(incident: Incident) -> dict[str, Any]:
    names = ("id", "task", "signature", "state", "size", "severity", "opened_at", "closed_at", "acknowledged_by")
    return {name: getattr(incident, name) for name in names}
