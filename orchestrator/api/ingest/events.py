"""CloudEvents come in here: one at a time or in batches, each answered for alone."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response

from orchestrator.api.ingest.answers import Told, answer
from orchestrator.api.ingest.bodies import unpacked
from orchestrator.api.ingest.envelopes import BATCH, STRUCTURED, arrival_of, came
from orchestrator.api.ingest.faults import whole
from orchestrator.api.ingest.gathering import SMALL, Gatherer
from orchestrator.api.ingest.working import Workers
from orchestrator.flows.accepting import Arrival, Fate, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.api.ingest.envelopes import Came, Faults
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
    api: Api = request.app.state.api
    workers: Workers = request.app.state.workers
    async with workers.body(request) as body:
        if len(body) > SMALL or "content-encoding" in request.headers:
            return await workers.run(_receive, request, body)
        gatherer: Gatherer = request.app.state.gatherer
        found = Read.of(request, body)
        return found.answer(request, await gatherer.accept(api.taking_in, found.arrivals))


def _receive(request: Request, body: bytes) -> Response:
    found = Read.of(request, unpacked(body, request.headers.get("content-encoding", "")))
    return found.answer(request, request.app.state.api.taking_in.accept(found.arrivals))


@dataclass(frozen=True, slots=True)
class Read:
    """What a request holds: its events as they came, and for each its arrival or what is wrong with it."""

    came: Came
    read: Sequence[Arrival | Faults]

    @classmethod
    def of(cls, request: Request, body: bytes) -> Read:
        """Read an unpacked body; raises Unreadable."""
        found, now = came(request.headers, body), request.app.state.api.clock()
        return cls(found, [arrival_of(each, now, suspect=found.suspect) for each in found.envelopes])

    @property
    def arrivals(self) -> list[Arrival]:
        """Give those with which nothing is wrong."""
        return [each for each in self.read if isinstance(each, Arrival)]

    def answer(self, request: Request, verdicts: Sequence[Verdict]) -> Response:
        """Answer for each, given a verdict for each arrival."""
        following = iter(verdicts)
        told = [
            _told(
                envelope,
                each,
                next(following) if isinstance(each, Arrival) else _REFUSED,
                index if self.came.batch else None,
            )
            for index, (envelope, each) in enumerate(zip(self.came.envelopes, self.read, strict=True))
        ]
        return answer(request, told, batch=self.came.batch)


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
