"""The mode, the counts, and how the orchestrator is."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from eventbus import scrub
from orchestrator.api.schemas import ModeBody
from orchestrator.domain.errors import RedriveError
from orchestrator.flows.modes import switch_mode
from orchestrator.flows.sending_again import Word
from orchestrator.observability import METRICS_CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.api.needs import Api

OK = "ok"
router = APIRouter(tags=["operations"])


@router.get("/api/v1/mode")
def read_mode(request: Request) -> dict[str, str]:
    """Show the mode that holds."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        return {"mode": tx.mode() or api.default_mode}


@router.put("/api/v1/mode")
def set_mode(body: ModeBody, request: Request) -> dict[str, str]:
    """Switch the mode; it holds over restarts, and the audit keeps who switched it and why."""
    api: Api = request.app.state.api
    word = Word(api.new_id(), request.state.actor, body.reason, api.clock())
    with api.ledger.transaction() as tx:
        switch_mode(tx, word, body.mode, api.default_mode)
    return {"mode": body.mode}


@router.get("/api/v1/first-retry")
def read_first_retry(request: Request) -> dict[str, Any]:
    """Show first attempts and first successes over all releases, and what belongs beside them."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        return asdict(tx.first_retry())


@router.get("/api/v1/summary")
def read_summary(request: Request) -> dict[str, Any]:
    """Show failures by state, incidents that are open, first retries and the mode."""
    api: Api = request.app.state.api
    with api.ledger.reading() as tx:
        return {
            "failures": tx.failure_counts(),
            "incidents": tx.incident_counts(),
            "first_retry": asdict(tx.first_retry()),
            "mode": tx.mode() or api.default_mode,
        }


@router.get("/livez")
def livez() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "alive"}


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Tell whether bus and databases answer, each by name; a sink that does not makes it degraded, not unready."""
    api: Api = request.app.state.api
    checks = {name: _answer(check) for name, check in api.checks.items()}
    sinks = {name: _answer(check) for name, check in api.sink_checks.items()}
    body = {"status": _status(checks, sinks), "checks": checks, "sinks": sinks}
    if body["status"] == "unready":
        return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})
    return JSONResponse(body)


def _status(checks: Mapping[str, str], sinks: Mapping[str, str]) -> str:
    if any(answer != OK for answer in checks.values()):
        return "unready"
    return "degraded" if any(answer != OK for answer in sinks.values()) else "ready"


def _answer(check: Callable[[], None]) -> str:
    try:
        check()
    except RedriveError as error:
        return scrub.text(str(error))
    return OK


@router.get("/version")
def read_version() -> dict[str, str]:
    """Show which release runs."""
    return {"version": version("redrive")}


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Give the metrics to Prometheus."""
    api: Api = request.app.state.api
    return Response(api.metrics(), media_type=METRICS_CONTENT_TYPE)
