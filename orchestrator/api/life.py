"""An incident's life as server-sent events (the EventSource stream of the HTML standard), told from the ledger's rows.

Asynchronous, because a stream that waits must not take one of the threads that answer; each look at the ledger is a
transaction of its own in such a thread, and none is open in between.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import anyio
import orjson
from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from orchestrator.api.problems import TooManyStreams
from orchestrator.domain.errors import NotFound
from orchestrator.flows.life import Cursor, Life

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from orchestrator.api.needs import Api
    from orchestrator.flows.life import Told

MOST_STREAMS: Final = 32
BETWEEN_LOOKS: Final = 0.5
# A look that takes long is repeated seldom: one stream costs the ledger at most this share of a core.
SHARE: Final = 0.05
HEARTBEAT: Final = 15.0
RETRY_MILLISECONDS: Final = 2_000
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
router = APIRouter(prefix="/api/v1", tags=["incidents"])


@dataclass(slots=True)
class Streams:
    """How many streams are open (only touched on the server's loop), and whether they are to end with the server."""

    open: int = 0
    stopping: bool = False


@router.get("/incidents/{incident_id}/events")
async def stream(
    incident_id: UUID, request: Request, last_event_id: Annotated[str | None, Header(max_length=200)] = None
) -> StreamingResponse:
    """Stream what happens to an incident until it is closed: opened, planned, attempts, releases, commands, closed.

    Begins with its past, or behind the `Last-Event-ID` that a client gives when it comes back; its present plan and
    the health of its dependency are told again then.
    """
    api: Api = request.app.state.api
    streams: Streams = request.app.state.streams
    life = Life(incident_id, Cursor.of(last_event_id))
    if not await run_in_threadpool(_exists, api, incident_id):
        raise NotFound("incident", str(incident_id))
    if streams.open >= MOST_STREAMS:
        raise TooManyStreams(f"expected at most {MOST_STREAMS} open streams of events, got one more")
    return StreamingResponse(_told(api, life, streams), media_type="text/event-stream", headers=HEADERS)


def _exists(api: Api, incident_id: UUID) -> bool:
    with api.ledger.reading() as tx:
        return tx.incident(incident_id) is not None


async def _told(api: Api, life: Life, streams: Streams) -> AsyncIterator[bytes]:
    streams.open += 1
    try:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        silent = 0.0
        while True:
            began = time.monotonic()
            told = await run_in_threadpool(_look, api, life)
            for each in told:
                yield _encoded(each)
            if life.over or streams.stopping:
                return
            silent = 0.0 if told else silent
            pause = max(BETWEEN_LOOKS, (time.monotonic() - began) / SHARE)
            await anyio.sleep(0 if life.more else pause)
            silent += pause
            if silent >= HEARTBEAT:
                yield b": still here\n\n"
                silent = 0.0
    finally:
        streams.open -= 1


def _look(api: Api, life: Life) -> Sequence[Told]:
    with api.ledger.reading() as tx:
        return life.look(tx, api.clock())


def _encoded(told: Told) -> bytes:
    data = orjson.dumps(told.data, default=str).decode()
    return f"id: {told.id}\nevent: {told.name}\ndata: {data}\n\n".encode()
