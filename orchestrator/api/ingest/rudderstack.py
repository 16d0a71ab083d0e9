"""RudderStack's own form comes in here, so that its SDKs become durable by changing one URL.

They read plain text, and drop a whole batch on a 4xx: a batch in which anything is good is answered with 200, and what
is wrong in it is kept as refused, and told in headers.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from eventbus import scrub
from orchestrator.api.ingest.bodies import Unreadable, parsed, unpacked
from orchestrator.api.ingest.envelopes import MOST_EVENTS
from orchestrator.api.ingest.faults import shown
from orchestrator.api.ingest.messages import arrival_of, kept_refused
from orchestrator.api.ingest.paths import BATCH, CALLS
from orchestrator.api.ingest.working import Workers
from orchestrator.flows.accepting import Arrival, Fate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.api.needs import Api
    from orchestrator.flows.accepting import Verdict

# So much of the first reason is told in a header.
SHOWN: Final = 500
# `sentAt` of a batch is copied into each message: what is longer is no time.
LONGEST_TIME: Final = 64
log = structlog.get_logger("redrive.api")
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "on disk; `Redrive-Refused` counts what was kept as refused", "content": {"text/plain": {}}},
    400: {"description": "nothing in it can be accepted", "content": {"text/plain": {}}},
    401: {"description": "no write key, or one that is not known", "content": {"text/plain": {}}},
    413: {"description": "more bytes or messages than one request may have", "content": {"text/plain": {}}},
    503: {"description": "no room, or something is away: an SDK tries again", "content": {"text/plain": {}}},
}
REQUEST: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}
router = APIRouter(tags=["events"])


async def receive(request: Request) -> PlainTextResponse:
    """Accept messages in RudderStack's form, with a write key as the user of Basic credentials. 200 means on disk.

    Asynchronous, because a request that waits for the disk must not take one of the threads that answer.
    """
    workers: Workers = request.app.state.workers
    async with workers.body(request) as body:
        return await workers.run(_receive, request, body)


for _path in (BATCH, *(f"/v1/{call}" for call in CALLS)):
    router.add_api_route(
        _path, receive, methods=["POST"], responses=RESPONSES, openapi_extra=REQUEST, response_class=PlainTextResponse
    )


def _receive(request: Request, body: bytes) -> PlainTextResponse:
    api: Api = request.app.state.api
    payload, suspect = parsed(unpacked(body, request.headers.get("content-encoding", "")))
    source, messages, now = request.state.source, _messages(request.url.path, payload), api.clock()
    read = [arrival_of(each, source, now, api.new_id, suspect=suspect) for each in messages]
    whys = {index: str(each[0]) for index, each in enumerate(read) if not isinstance(each, Arrival)}

    def kept(index: int, why: str) -> Arrival:
        return kept_refused(messages[index], source, why, now)

    arrivals = [each if isinstance(each, Arrival) else kept(index, whys[index]) for index, each in enumerate(read)]
    verdicts = api.taking_in.accept(arrivals)
    late = {index: str(each.why) for index, each in enumerate(verdicts) if each.fate is Fate.REFUSED}
    verdicts += api.taking_in.accept([kept(index, why) for index, why in late.items()])
    return _answer(source, len(messages), dict(sorted((whys | late).items())), verdicts)


def _messages(path: str, payload: object) -> list[Any]:
    if not isinstance(payload, dict):
        raise Unreadable(HTTPStatus.BAD_REQUEST, "a JSON object", shown(payload))
    if path != BATCH:
        return [payload | {"type": path.rpartition("/")[2]}]
    batch = payload.get("batch")
    if not isinstance(batch, list) or not batch:
        raise Unreadable(HTTPStatus.BAD_REQUEST, "a batch with messages in it", shown(batch))
    if len(batch) > MOST_EVENTS:
        raise Unreadable(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_EVENTS} messages", str(len(batch)))
    said = payload.get("sentAt")
    sent = {"sentAt": said} if isinstance(said, str) and len(said) <= LONGEST_TIME else {}
    return [sent | each if isinstance(each, dict) else each for each in batch]


def _answer(source: str, came: int, whys: dict[int, str], verdicts: Sequence[Verdict]) -> PlainTextResponse:
    full = [each for each in verdicts if each.fate is Fate.FULL]
    if full:
        wait = max(1, math.ceil(max(each.retry_after or 0.0 for each in full)))
        return PlainTextResponse(f"{full[0].why}", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(wait)})
    if not whys:
        return PlainTextResponse("OK")
    place, why = next(iter(whys.items()))
    log.warning("event.refused", source=source, refused=len(whys), of=came, first=place, why=why)
    told = "".join(each if " " <= each <= "~" else "?" for each in scrub.text(f"/batch/{place}: {why}"))[:SHOWN]
    if len(whys) == came:
        return PlainTextResponse(told, HTTPStatus.BAD_REQUEST)
    return PlainTextResponse("OK", headers={"Redrive-Refused": str(len(whys)), "Redrive-Refused-First": told})
