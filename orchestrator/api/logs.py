"""What model calls cost and which prompts are alike, as the warehouse has it."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, Field

from orchestrator.api.problems import CursorUnknown
from orchestrator.api.schemas import Strict
from orchestrator.warehouse.logs import COSTS, PROMPTS, Filter, cost_groups, page, position

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Engine, Table

    from orchestrator.api.needs import Api

MOST = 1_000
GroupBy = Literal["model", "provider", "agent", "workflow", "node", "organization", "hour", "day"]
router = APIRouter(prefix="/api/v1", tags=["logs"])


class PageQuery(Strict):
    """Which page of which rows; a parameter that is not known is refused, for it would filter nothing."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = 100
    cursor: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    user_id: str | None = None
    organization_id: str | None = None

    def filter(self) -> Filter:
        """Give the rows that are wanted: every field that is no page's and no period's is a column."""
        given = self.model_dump(exclude_none=True, exclude=_NO_COLUMNS)
        return Filter(given, self.since, self.until, getattr(self, "min_score", None))


_NO_COLUMNS = {"limit", "cursor", "since", "until", "group_by", "min_score"}


class CostQuery(PageQuery):
    """Which costs."""

    model: str | None = None
    provider: str | None = None
    agent_id: str | None = None
    workflow_execution_id: str | None = None
    node_id: str | None = None
    request_id: str | None = None
    task_id: str | None = None
    response_id: str | None = None
    pricing_status: Literal["priced", "missing"] | None = None
    group_by: GroupBy | None = None


class SimilarityQuery(PageQuery):
    """Which prompts."""

    prompt_hash: str | None = None
    matched_prompt_hash: str | None = None
    blocked: bool | None = None
    min_score: Annotated[float | None, Field(ge=-1, le=1)] = None


@router.get("/cost-logs")
def read_cost_logs(query: Annotated[CostQuery, Query()], request: Request, response: Response) -> dict[str, Any]:
    """List model calls with their costs, newest first; with `group_by`, their sums in the order of the groups' names.

    Amounts are text with ten decimals, in USD; calls without a price are counted as unpriced and are in no sum.
    """
    api: Api = request.app.state.api
    if query.group_by is None:
        return {"cost_logs": _rows(api.warehouse, COSTS, query, request, response)}
    found = cost_groups(api.warehouse, query.group_by, query.filter(), query.limit + 1, _name(query.cursor))
    groups = [asdict(each) | {"usd_cost": f"{each.usd_cost:f}"} for each in found[: query.limit]]
    if len(found) > query.limit:
        _link(request, response, urlsafe_b64encode((groups[-1]["key"] or "").encode()).decode())
    return {"group_by": query.group_by, "groups": groups}


@router.get("/similarity-logs")
def read_similarity_logs(
    query: Annotated[SimilarityQuery, Query()], request: Request, response: Response
) -> dict[str, Any]:
    """List prompts with the likest one before each, newest first; no prompt's text is kept anywhere."""
    api: Api = request.app.state.api
    return {"similarity_logs": _rows(api.warehouse, PROMPTS, query, request, response)}


def _rows(
    engine: Engine, table: Table, query: PageQuery, request: Request, response: Response
) -> Sequence[dict[str, Any]]:
    found = page(engine, table, query.filter(), query.limit + 1, _after(engine, table, query.cursor))
    shown = [_shown(row) for row in found[: query.limit]]
    if len(found) > query.limit:
        _link(request, response, shown[-1]["id"])
    return shown


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Show an amount as text: a JSON number would be read as a binary float."""
    if row.get("usd_cost") is not None:
        row["usd_cost"] = f"{row['usd_cost']:f}"
    return row | {"id": str(row["id"])}


def _after(engine: Engine, table: Table, cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    try:
        row = UUID(cursor)
    except ValueError:
        raise CursorUnknown(cursor) from None
    moment = position(engine, table, row)
    if moment is None:
        raise CursorUnknown(cursor)
    return moment, row


def _name(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return b64decode(cursor.encode(), b"-_", validate=True).decode()
    except ValueError:
        raise CursorUnknown(cursor) from None


def _link(request: Request, response: Response, cursor: str) -> None:
    following = request.url.include_query_params(cursor=cursor)
    response.headers["Link"] = f'<{following}>; rel="next"'
