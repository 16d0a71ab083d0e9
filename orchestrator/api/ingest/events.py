"""CloudEvents come in here: one at a time or in batches, each answered for alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response

from orchestrator.api.ingest.answers import Told, answer
from orchestrator.api.ingest.bodies import unpacked
from orchestrator.api.ingest.envelopes import BATCH, STRUCTURED, arrival_of, came
from orchestrator.api.ingest.faults import whole
from orchestrator.api.ingest.working import Workers, whole_body
from orchestrator.flows.accepting import Arrival, Fate, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.api.ingest.envelopes import Faults
    from orchestrator.api.needs import Api

ENVELOPE: Final = {"type": "object", "required": ["specversion", "id", "source", "type"]}
REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": ENVELOPE},
            BATCH: {"schema": {"type": "array", "items": ENVELOPE}},
            "*/*": {"schema": {"description": "the data of an event whose attributes are in headers ce-..."}},
        },
    }
}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "every event was there already"},
    202: {"description": "every event is on disk; one of them at least is new"},
    207: {"description": "some events are on disk, others were refused: `events` says which, and why"},
    400: {"description": "no event was accepted: `errors` names each field, what was expected and what came"},
    413: {"description": "more bytes or events than one request may have"},
    415: {"description": "neither CloudEvents in JSON nor an event in headers"},
    503: {"description": "no room for some of the events, or something is away: send the request again"},
}
router = APIRouter(tags=["events"])


@router.post("/v1/events", status_code=HTTPStatus.ACCEPTED, responses=RESPONSES, openapi_extra=REQUEST)
@router.post("/api/v1/events", status_code=HTTPStatus.ACCEPTED, responses=RESPONSES, openapi_extra=REQUEST)
async def receive(request: Request) -> Response:
    """Accept CloudEvents 1.0: structured, in a batch, or binary. Accepted means on disk.

    Asynchronous, because a request that waits for the disk must not take one of the threads that answer.
    """
    body, workers = await whole_body(request), request.app.state.workers
    taken: Workers = workers
    return await taken.run(_receive, request, body)


def _receive(request: Request, body: bytes) -> Response:
    api: Api = request.app.state.api
    headers = request.headers
    found = came(headers, unpacked(body, headers.get("content-encoding", "")))
    now = api.clock()
    read = [arrival_of(each, now, suspect=found.suspect) for each in found.envelopes]
    verdicts = iter(api.taking_in.accept([each for each in read if isinstance(each, Arrival)]))
    told = [
        _told(envelope, each, next(verdicts) if isinstance(each, Arrival) else _REFUSED, index if found.batch else None)
        for index, (envelope, each) in enumerate(zip(found.envelopes, read, strict=True))
    ]
    return answer(request, told, batch=found.batch)


_REFUSED: Final = Verdict(Fate.REFUSED)


def _told(envelope: object, read: Arrival | Faults, verdict: Verdict, index: int | None) -> Told:
    before = "" if index is None else f"/{index}"
    said: Mapping[str, Any] = envelope if isinstance(envelope, dict) else {}
    named = {name: whole(said[name]) for name in ("id", "source") if isinstance(said.get(name), str)}
    errors: Sequence[Mapping[str, Any]] = ()
    if not isinstance(read, Arrival):
        errors = [each.told(before) for each in read]
    elif verdict.fate is Fate.REFUSED:
        errors = [{"field": f"{before}/data", "message": str(verdict.why)}]
    return Told(verdict, named, errors)
