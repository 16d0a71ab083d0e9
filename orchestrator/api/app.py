"""The HTTP API: translate, call, translate back. It answers from the ledger; a request carries nothing out."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, Request

from orchestrator.api import problems
from orchestrator.api.incidents import router as incidents
from orchestrator.api.limits import BodyLimit
from orchestrator.api.operations import router as operations
from orchestrator.api.recovery import router as recovery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.commands import Mode
    from orchestrator.domain.events import SinkCounts
    from orchestrator.domain.ledger import Ledger

UNGUARDED = frozenset({"/livez", "/readyz", "/version", "/metrics"})


@dataclass(frozen=True, slots=True)
class Api:
    """What the handlers need. `checks` raise DependencyUnreachable; with `token` None nobody is asked who they are."""

    ledger: Ledger
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    default_mode: Mode
    token: str | None
    sinks: Callable[[], Mapping[str, SinkCounts]]
    checks: Mapping[str, Callable[[], None]]
    metrics: Callable[[], bytes]


def create_app(api: Api) -> FastAPI:
    """Make the application around what it needs."""
    app = FastAPI(title="Redrive", version=version("redrive"), dependencies=[Depends(_authenticate)])
    app.state.api = api
    app.add_middleware(BodyLimit)
    for router in (recovery, incidents, operations):
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
