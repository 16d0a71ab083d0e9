"""Recovery by hand: a request commits a command and returns."""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request, Response

from orchestrator.api.idempotency import stored_answer
from orchestrator.api.problems import KeyMissing
from orchestrator.api.schemas import RerouteBody, RetryBody
from orchestrator.api.views import preview_view, retry_view
from orchestrator.domain.commands import Mode, StoredAnswer
from orchestrator.domain.errors import NotFound
from orchestrator.flows.preview import Previewer
from orchestrator.flows.recovery import RetryRequest, command_retry

if TYPE_CHECKING:
    from orchestrator.api.needs import Api
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.plan import Route

router = APIRouter(tags=["recovery"])
Key = Annotated[str | None, Header(min_length=1, max_length=255, alias="Idempotency-Key")]


@router.post("/recovery/retry", status_code=HTTPStatus.ACCEPTED)
@router.post("/api/v1/recovery/retry", status_code=HTTPStatus.ACCEPTED)
def retry(body: RetryBody, request: Request, idempotency_key: Key = None) -> Response:
    """Redrive one failure, or all of an incident as one release. Answers 202 with the Location of the command.

    The same Idempotency-Key gives the same answer for 24 hours; for an incident it is required.
    """
    return _answered(body, None, request, idempotency_key)


@router.post("/recovery/reroute", status_code=HTTPStatus.ACCEPTED)
@router.post("/api/v1/recovery/reroute", status_code=HTTPStatus.ACCEPTED)
def reroute(body: RerouteBody, request: Request, idempotency_key: Key = None) -> Response:
    """Redrive one failure, or all of an incident, at another place; else as a retry."""
    return _answered(body, body.route.value(), request, idempotency_key)


def _answered(body: RetryBody, route: Route | None, request: Request, key: str | None) -> Response:
    api: Api = request.app.state.api
    asked = RetryRequest(
        actor=request.state.actor,
        reason=body.reason,
        failure_id=body.failure_id,
        task_id=body.task_id,
        force=body.force,
        incident_id=body.incident_id,
        route=route,
    )
    if body.dry_run:
        return _told(api, asked)
    if body.incident_id is not None and key is None:
        raise KeyMissing
    digest = sha256(body.model_dump_json().encode()).hexdigest()
    with api.ledger.transaction() as tx:
        answer = _stored(tx, api, key, digest) or _record(tx, api, asked, key, digest)
    return Response(answer.body, answer.status, {"Location": answer.location}, media_type="application/json")


def _told(api: Api, asked: RetryRequest) -> Response:
    with api.ledger.reading() as tx:
        found = Previewer(tx, api.clock(), api.keys_known, api.policies, api.routes).preview(asked)
        content = preview_view(found, asked, tx.dependency(found.incident.dependency or ""), _mode_note(tx, api))
    return Response(orjson.dumps(content, default=str), HTTPStatus.OK, media_type="application/json")


def _stored(tx: LedgerTx, api: Api, key: str | None, digest: str) -> StoredAnswer | None:
    return stored_answer(tx, key, digest, api.clock()) if key else None


def _record(tx: LedgerTx, api: Api, asked: RetryRequest, key: str | None, digest: str) -> StoredAnswer:
    command = command_retry(tx, asked, api.new_id(), api.clock(), keys_known=api.keys_known, policies=api.policies)
    location = f"/api/v1/recovery/retries/{command.id}"
    content = {"id": str(command.id), "location": location, "state": "accepted"}
    if command.failure_id:
        content["failure_id"] = str(command.failure_id)
    else:
        content |= {"incident_id": str(command.incident_id), "failures": command.after["failures"]}
    obstacles = command.before.get("waits_for")
    if obstacles:
        content |= {"overrides" if command.forced else "waits_for": obstacles}
    note = _mode_note(tx, api)
    if note:
        content["note"] = note
    answer = StoredAnswer(digest, HTTPStatus.ACCEPTED, orjson.dumps(content).decode(), location)
    if key:
        tx.store_answer(key, answer)
    return answer


def _mode_note(tx: LedgerTx, api: Api) -> str | None:
    mode = tx.mode() or api.default_mode
    if mode is Mode.ACT:
        return None
    return f"it waits: the mode is {mode}, in which nothing is published; switch with `redrive mode act`"


@router.get("/api/v1/recovery/retries/{command_id}")
def read_retry(command_id: UUID, request: Request) -> dict[str, Any]:
    """Show a command: plan, attempts, outcome, executions."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        command = tx.command(command_id)
        if command is None:
            raise NotFound("retry", str(command_id))
        return retry_view(tx, command)
