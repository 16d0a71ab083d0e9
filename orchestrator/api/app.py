"""The HTTP API: translate, call, translate back. It answers from the ledger; a request carries nothing out."""

from __future__ import annotations

import hmac
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, Request

from orchestrator.api import problems
from orchestrator.api.dependencies import router as dependencies
from orchestrator.api.incidents import router as incidents
from orchestrator.api.life import Streams
from orchestrator.api.life import router as life
from orchestrator.api.limits import BodyLimit
from orchestrator.api.logs import router as logs
from orchestrator.api.operations import router as operations
from orchestrator.api.recovery import router as recovery
from orchestrator.api.workers import router as workers

if TYPE_CHECKING:
    from orchestrator.api.needs import Api

UNGUARDED = frozenset({"/livez", "/readyz", "/version", "/metrics"})


def create_app(api: Api) -> FastAPI:
    """Make the application around what it needs."""
    app = FastAPI(title="Redrive", version=version("redrive"), dependencies=[Depends(_authenticate)])
    app.state.api = api
    app.state.streams = Streams()
    app.add_middleware(BodyLimit)
    for router in (recovery, incidents, life, dependencies, operations, logs, workers):
        app.include_router(router)
    problems.install(app)
    return app


def _authenticate(request: Request) -> None:
    token = request.app.state.api.token
    if token is None or request.url.path in UNGUARDED:
        request.state.actor = "unauthenticated"
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
        raise problems.Unauthorized("expected the API's bearer token, got none or another one")
    request.state.actor = "token"
