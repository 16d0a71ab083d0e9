"""Pages of lists: limits, offsets and the headers that tell the total."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.api.http import Response
from orchestrator.stackstorm.embedded.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_PAGE = 100


def window(query: Mapping[str, str]) -> tuple[int, int]:
    """Give (limit, offset) as a query asks for them; raises Fault 400 or 403."""
    try:
        limit, offset = int(query.get("limit", MAX_PAGE)), int(query.get("offset", 0))
    except ValueError:
        raise Fault(400, "expected whole numbers for limit and offset") from None
    if limit > MAX_PAGE:
        raise Fault(403, f'Limit "{limit}" specified, maximum value is "{MAX_PAGE}"')
    return (MAX_PAGE if limit < 0 else limit), max(0, offset)


def page(items: Sequence[Any], total: int, limit: int) -> Response:
    """Answer one page of a list."""
    return Response(200, list(items), {"X-Total-Count": str(total), "X-Limit": str(limit)})


def paged(items: Sequence[Any], query: Mapping[str, str]) -> Response:
    """Answer the page of a whole list that a query asks for."""
    limit, offset = window(query)
    answer = page(items[offset : offset + limit], len(items), limit)
    if "name" in query and "limit" not in query:
        return Response(200, answer.body, {"X-Total-Count": str(len(items))})  # found by name: one page, no limit
    return answer


def filtered(items: Sequence[dict[str, Any]], query: Mapping[str, str], names: Sequence[str]) -> list[dict[str, Any]]:
    """Keep the documents whose members equal the query's parameters of these names."""
    wanted = {name: query[name] for name in names if name in query}
    return [item for item in items if all(str(item.get(name)) == value for name, value in wanted.items())]


def truth(text: str | None) -> bool:
    """Read a query's boolean as StackStorm does."""
    return (text or "").lower() in ("true", "1", "yes")
