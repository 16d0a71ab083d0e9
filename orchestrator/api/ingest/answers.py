"""The answer to a request with events: for each of them what became of it, and one status for all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi import Request, Response

from orchestrator.api.ingest.bodies import Unreadable
from orchestrator.api.ingest.faults import pointer
from orchestrator.api.problems import problem
from orchestrator.flows.accepting import Fate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.flows.accepting import Verdict

AGAIN: Final = "send the request again, not before Retry-After; what was accepted is known again by source and id"
CORRECT: Final = "correct the fields named and send those events again"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of the event at a place of the request."""

    verdict: Verdict
    named: Mapping[str, Any]
    errors: Sequence[Mapping[str, Any]] = field(default=())

    def shown(self, index: int | None = None) -> dict[str, Any]:
        """Give it as JSON has it, with the place that it had in a batch."""
        errors = {"errors": list(self.errors)} if self.errors else {}
        place = {} if index is None else {"index": index}
        named = {name: self.named.get(name) for name in ("id", "source")}
        return place | named | {"status": self.verdict.fate} | errors


def answer(request: Request, told: Sequence[Told], *, batch: bool) -> Response:
    """Answer: 202 or 200 where all are kept, 207 where some are, 400 where none is, 503 where the log is full."""
    status = _status([each.verdict.fate for each in told])
    shown = _counted(told) if batch else told[0].shown()
    if status < HTTPStatus.BAD_REQUEST:
        return Response(orjson.dumps(shown), status, media_type="application/json")
    errors = [dict(each) for one in told for each in one.errors]
    if status == HTTPStatus.BAD_REQUEST:
        detail = "; ".join(f"{each['field'] or 'the event'}: {each['message']}" for each in errors[:3])
        refused = problem(request, status, "invalid-request", detail, errors=errors, what_next=CORRECT)
    else:
        waits = [each.verdict for each in told if each.verdict.fate is Fate.FULL]
        seconds = max(1, math.ceil(max(each.retry_after or 0.0 for each in waits)))
        headers = {"Retry-After": str(seconds)}
        detail = f"{waits[0].why}: {len(waits)} of {len(told)} events were not accepted"
        refused = problem(request, status, "unavailable", detail, errors=errors, what_next=AGAIN, headers=headers)
    return _with(refused, shown) if batch else refused


def _status(fates: Sequence[Fate]) -> HTTPStatus:
    if Fate.FULL in fates:
        return HTTPStatus.SERVICE_UNAVAILABLE
    if Fate.REFUSED in fates:
        return HTTPStatus.BAD_REQUEST if set(fates) == {Fate.REFUSED} else HTTPStatus.MULTI_STATUS
    return HTTPStatus.ACCEPTED if Fate.ACCEPTED in fates else HTTPStatus.OK


def _counted(told: Sequence[Told]) -> dict[str, Any]:
    fates = [each.verdict.fate for each in told]
    counts: dict[str, Any] = {str(fate): fates.count(fate) for fate in Fate}
    return counts | {"events": [each.shown(index) for index, each in enumerate(told)]}


def _with(refused: Response, shown: Mapping[str, Any]) -> Response:
    """Put what became of each event beside the members of a problem (RFC 9457, section 3.2)."""
    content = orjson.dumps(orjson.loads(bytes(refused.body)) | shown)
    kept = {name: value for name, value in refused.headers.items() if name != "content-length"}
    return Response(content, refused.status_code, kept)


def unreadable(request: Request, error: Exception) -> Response:
    """Answer a request of which no event can be read."""
    if not isinstance(error, Unreadable):
        raise error
    page = "too-large" if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "invalid-request"
    errors = [{"field": pointer(), "expected": error.expected, "got": error.got, "message": str(error)}]
    return problem(request, error.status, page, str(error), errors=errors, what_next="see docs/ingest.md")
