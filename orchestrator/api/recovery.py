"""Recovery by hand: a request commits a command and returns."""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request, Response

from orchestrator.api.problems import KeyReused
from orchestrator.api.schemas import RetryBody
from orchestrator.api.views import retry_view
from orchestrator.domain.commands import StoredAnswer
from orchestrator.domain.errors import NotFound
from orchestrator.flows.recovery import RetryRequest, command_retry

if TYPE_CHECKING:
    from orchestrator.api.needs import Api
    from orchestrator.domain.ledger import LedgerTx

router = APIRouter(tags=["recovery"])


@router.post("/recovery/retry", status_code=HTTPStatus.ACCEPTED)
@router.post("/api/v1/recovery/retry", status_code=HTTPStatus.ACCEPTED)
def retry(
    body: RetryBody,
    request: Request,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Response:
    """Redrive one failure. Answers 202 with the Location of the command.

    The same Idempotency-Key gives the same answer for 24 hours.
    """
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        digest = sha256(body.model_dump_json().encode()).hexdigest()
        stored = tx.take_key(idempotency_key, digest, api.clock()) if idempotency_key else None
        if stored is not None and stored.request_hash != digest:
            raise KeyReused(
                f"expected the request that first came with Idempotency-Key {idempotency_key!r}, got another"
            )
        answer = stored or _record(tx, api, body, request.state.actor, digest)
        if idempotency_key and stored is None:
            tx.store_answer(idempotency_key, answer)
    return Response(answer.body, answer.status, {"Location": answer.location}, media_type="application/json")


def _record(tx: LedgerTx, api: Api, body: RetryBody, actor: str, digest: str) -> StoredAnswer:
    asked = RetryRequest(actor, body.reason, body.failure_id, body.task_id)
    command = command_retry(tx, asked, api.new_id(), api.clock())
    location = f"/api/v1/recovery/retries/{command.id}"
    content = {"id": str(command.id), "failure_id": str(command.failure_id), "location": location, "state": "accepted"}
    return StoredAnswer(digest, HTTPStatus.ACCEPTED, orjson.dumps(content).decode(), location)


@router.get("/api/v1/recovery/retries/{command_id}")
def read_retry(command_id: UUID, request: Request) -> dict[str, Any]:
    """Show a command: plan, attempts, outcome, executions."""
    api: Api = request.app.state.api
    with api.ledger.transaction() as tx:
        command = tx.command(command_id)
        if command is None:
            raise NotFound("retry", str(command_id))
        return retry_view(tx, command)
