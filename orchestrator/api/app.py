"""The HTTP API: translate, call, translate back. It answers from the ledger; a request carries nothing out."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, Request

from orchestrator.api import problems
from orchestrator.api.actors import ON_BEHALF_OF, UNAUTHENTICATED, actor_of
from orchestrator.api.alerts import router as alerts
from orchestrator.api.approvals import router as approvals
from orchestrator.api.audit import router as audit
from orchestrator.api.dependencies import router as dependencies
from orchestrator.api.deskwork import router as deskwork
from orchestrator.api.events import router as events
from orchestrator.api.failures import router as failures
from orchestrator.api.incidents import router as incidents
from orchestrator.api.ingest.answers import unreadable
from orchestrator.api.ingest.bodies import Unreadable
from orchestrator.api.ingest.events import router as taken_events
from orchestrator.api.ingest.gathering import Gatherer
from orchestrator.api.ingest.paths import SDK
from orchestrator.api.ingest.rudderstack import router as taken_messages
from orchestrator.api.ingest.working import Workers
from orchestrator.api.ingest.write_keys import source_of
from orchestrator.api.life import Streams
from orchestrator.api.life import router as life
from orchestrator.api.limits import BodyLimit
from orchestrator.api.logs import router as logs
from orchestrator.api.operations import router as operations
from orchestrator.api.postmortem import router as postmortem
from orchestrator.api.recoveries import router as recoveries
from orchestrator.api.recovery import router as recovery
from orchestrator.api.sinks import router as sinks
from orchestrator.api.why import router as why
from orchestrator.api.workers import router as workers

if TYPE_CHECKING:
    from orchestrator.api.needs import Api

UNGUARDED = frozenset({"/livez", "/readyz", "/version", "/metrics"})


def create_app(api: Api) -> FastAPI:
    """Make the application around what it needs."""
    app = FastAPI(title="Redrive", version=version("redrive"), dependencies=[Depends(_authenticate)])
    app.state.api = api
    app.state.streams = Streams()
    app.state.workers = Workers()
    app.state.gatherer = Gatherer()
    app.add_middleware(BodyLimit)
    routers = (
        recovery,
        recoveries,
        failures,
        approvals,
        incidents,
        life,
        dependencies,
        operations,
        logs,
        workers,
        events,
        sinks,
        why,
        alerts,
        deskwork,
        audit,
        postmortem,
    )
    # Where most requests come in is looked for first.
    for router in (taken_events, taken_messages, *routers):
        app.include_router(router)
    problems.install(app)
    app.add_exception_handler(Unreadable, unreadable)
    return app


async def _authenticate(request: Request) -> None:
    """Learn who asks. Asynchronous, because it waits for nothing: a thread would take longer than it does."""
    api: Api = request.app.state.api
    given = request.headers.get("authorization", "")
    if request.url.path in SDK:
        request.state.source = source_of(given, api.write_keys, open_to_all=not api.tokens)
        return
    if request.url.path in UNGUARDED:
        request.state.actor = UNAUTHENTICATED
        return
    actor = actor_of(given, api.tokens, request.headers.get(ON_BEHALF_OF))
    if actor is None:
        raise problems.Unauthorized("expected a bearer token of the API, got none or another one")
    request.state.actor = actor
