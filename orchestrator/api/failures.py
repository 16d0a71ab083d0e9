"""Failures by what is known of them, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from orchestrator.api.paging import link_next
from orchestrator.api.problems import CursorUnknown
from orchestrator.api.schemas import Moment
from orchestrator.api.sheets import CSV, sheet
from orchestrator.domain.eligibility import refusal
from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.api.needs import Api
    from orchestrator.domain.searching import FailureLine

MOST = 1_000
router = APIRouter(prefix="/api/v1/failures", tags=["failures"])
Limit = Annotated[int, Query(ge=1, le=MOST)]
Named = Annotated[str | None, Query(min_length=1, max_length=1_000)]
Argument = Annotated[str, StringConstraints(pattern=r"^[^=\x00]+=[^\x00]*$", max_length=400)]


def selection_of(  # noqa: PLR0913, PLR0917 - what can be asked, each a parameter of the address
    task: Named = None,
    queue: Named = None,
    kind: Kind | None = None,
    signature: Named = None,
    dependency: Named = None,
    organization: Named = None,
    since: Moment | None = None,
    until: Moment | None = None,
    state: Annotated[list[FailureState] | None, Query()] = None,
    incident: UUID | None = None,
    argument: Annotated[list[Argument] | None, Query(max_length=16)] = None,
) -> Selection:
    """Read which failures are meant: all that is given must hold.

    `task` may have `*` and `?`, `argument` is name=value, `since` and `until` are when the runs failed.
    """
    pairs = (each.partition("=") for each in argument or ())
    return Selection(
        incident_id=incident,
        task=task,
        queue=queue,
        kind=kind,
        signature=signature,
        dependency=dependency,
        organization=organization,
        since=since,
        until=until,
        arguments={name: value for name, _, value in pairs},
        states=frozenset(state or ()),
    )


Selected = Annotated[Selection, Depends(selection_of)]


@router.get("", response_model=None)
def list_failures(
    request: Request, response: Response, selection: Selected, limit: Limit = 100, cursor: UUID | None = None
) -> dict[str, Any] | Response:
    """List failures, oldest first; with `Accept: text/csv` all of them as CSV, however many."""
    api: Api = request.app.state.api
    if CSV in request.headers.get("accept", ""):
        return StreamingResponse(sheet(_pages(api, selection)), media_type=CSV)
    with api.ledger.reading() as tx:
        after = tx.found(Selection(ids=frozenset({cursor})), 1) if cursor else [None]
        if not after:
            raise CursorUnknown(str(cursor))
        found = tx.found(selection, limit, after[0])
    link_next(request, response, limit, [each.id for each in found])
    return {"failures": [listed(each, keys_known=api.keys_known) for each in found]}


def _pages(api: Api, selection: Selection) -> Iterator[list[dict[str, Any]]]:
    """Read all failures that are meant, each page in a transaction of its own: no other one waits for a slow reader."""
    after, full = None, True
    while full:
        with api.ledger.reading() as tx:
            found = tx.found(selection, MOST, after)
        yield [listed(each, keys_known=api.keys_known) for each in found]
        after, full = found[-1] if found else None, len(found) == MOST


def listed(line: FailureLine, *, keys_known: bool) -> dict[str, Any]:
    """Show a failure in a list: what it is found by, how it stands, and what went wrong in short."""
    return {
        "id": line.id,
        "task_id": line.task_id,
        "task": line.task,
        "state": line.state,
        "kind": line.kind,
        "why": line.why,
        "reason": line.reason,
        "incident_id": line.incident_id,
        "dependency": line.dependency,
        "queue": line.queue,
        "organization": line.organization,
        "arguments": dict(line.arguments),
        "occurred_at": line.occurred_at,
        "closed_at": line.closed_at,
        "worker": line.worker,
        "exception": {"type": line.exception_type, "message": line.exception_message},
        "idempotent": line.idempotent,
        "tries": line.tries,
        "not_redrivable": refusal(line.blocked, line.redacted, keys_known=keys_known),
    }
