"""Recovery by hand: a request commits a command and returns."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request, Response

from orchestrator.api.idempotency import stored_answer
from orchestrator.api.problems import KeyMissing
from orchestrator.api.recovery_bodies import RerouteBody, RetryBody
from orchestrator.api.recovery_views import location, preview_view
from orchestrator.domain.commands import Mode, StoredAnswer
from orchestrator.domain.searching import Judging
from orchestrator.flows.approving import Asking, propose
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.bulk.previewing import Previewer

if TYPE_CHECKING:
    from orchestrator.api.needs import Api
    from orchestrator.api.recovery_bodies import ApprovalBody
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.flows.bulk.asking import RetryRequest

router = APIRouter(tags=["recovery"])
Key = Annotated[str | None, Header(min_length=1, max_length=255, alias="Idempotency-Key")]


@router.post("/recovery/retry", status_code=HTTPStatus.ACCEPTED)
@router.post("/api/v1/recovery/retry", status_code=HTTPStatus.ACCEPTED)
def retry(body: RetryBody, request: Request, idempotency_key: Key = None) -> Response:
    """Redrive one failure, an incident's, those listed, or those of a query. Answers 202 with the recovery's Location.

    The same Idempotency-Key gives the same answer for 24 hours; for more than one failure it is required.
    """
    return _answered(body, request, idempotency_key)


@router.post("/recovery/reroute", status_code=HTTPStatus.ACCEPTED)
@router.post("/api/v1/recovery/reroute", status_code=HTTPStatus.ACCEPTED)
def reroute(body: RerouteBody, request: Request, idempotency_key: Key = None) -> Response:
    """Redrive them at another place; else as a retry."""
    return _answered(body, request, idempotency_key)


def _answered(body: RetryBody, request: Request, key: str | None) -> Response:
    api: Api = request.app.state.api
    asked = body.value(request.state.actor)
    if body.dry_run:
        return _told(api, asked)
    if not body.single and key is None:
        raise KeyMissing("a whole incident" if body.incident_id else "many failures")
    digest = body.digest()
    with api.ledger.transaction() as tx:
        answer = _stored(tx, api, key, digest) or _record(tx, api, asked, key, digest, body.approval)
    return Response(answer.body, answer.status, {"Location": answer.location}, media_type="application/json")


def _told(api: Api, asked: RetryRequest) -> Response:
    with api.ledger.reading() as tx:
        found = Previewer(tx, api.clock(), api.keys_known, api.policies, api.routes).preview(asked)
        content = preview_view(found, asked, tx, _mode_note(tx, api))
    return Response(orjson.dumps(content, default=str), HTTPStatus.OK, media_type="application/json")


def _stored(tx: LedgerTx, api: Api, key: str | None, digest: str) -> StoredAnswer | None:
    return stored_answer(tx, key, digest, api.clock()) if key else None


def _record(  # noqa: PLR0913, PLR0917 - what is asked, and what its answer is kept under
    tx: LedgerTx, api: Api, asked: RetryRequest, key: str | None, digest: str, approval: ApprovalBody | None
) -> StoredAnswer:
    content = _started(tx, api, asked) if approval is None else _proposed(tx, api, asked, approval)
    note = _mode_note(tx, api)
    if note:
        content["note"] = note
    answer = StoredAnswer(digest, HTTPStatus.ACCEPTED, orjson.dumps(content).decode(), content["location"])
    if key:
        tx.store_answer(key, answer)
    return answer


def _proposed(tx: LedgerTx, api: Api, asked: RetryRequest, approval: ApprovalBody) -> dict[str, Any]:
    now = api.clock()
    eligible = Previewer(tx, now, api.keys_known, api.policies, api.routes).preview(asked).eligible
    asking = Asking(timedelta(seconds=approval.timeout_seconds), approval.otherwise, eligible)
    recovery = propose(tx, asked, asking, api.new_id(), Judging(now, api.keys_known))
    content: dict[str, Any] = {"id": str(recovery.id), "location": location(recovery.id), "state": "proposed"}
    content |= {"failures": eligible, "until": (now + asking.timeout).isoformat(), "otherwise": approval.otherwise}
    return content | ({"incident_id": str(recovery.incident_id)} if recovery.incident_id else {})


def _started(tx: LedgerTx, api: Api, asked: RetryRequest) -> dict[str, Any]:
    command = command_retry(tx, asked, api.new_id(), api.clock(), keys_known=api.keys_known, policies=api.policies)
    content: dict[str, Any] = {"id": str(command.id), "location": location(command.id), "state": "accepted"}
    if command.failure_id:
        content["failure_id"] = str(command.failure_id)
    else:
        content |= {name: command.after[name] for name in ("failures", "incidents") if name in command.after}
        content |= {"incident_id": str(command.incident_id)} if command.incident_id else {}
    obstacles = command.before.get("waits_for")
    if obstacles:
        content |= {"overrides" if command.forced else "waits_for": obstacles}
    return content


def _mode_note(tx: LedgerTx, api: Api) -> str | None:
    mode = tx.mode() or api.default_mode
    if mode is Mode.ACT:
        return None
    return f"it waits: the mode is {mode}, in which nothing is published; switch with `redrive mode act --reason WHY`"
