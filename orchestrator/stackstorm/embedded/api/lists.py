"""Pages of lists: limits, offsets and the headers that tell the total."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.api.http import Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.marks import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_PAGE = 100
ALL = -1
LARGEST = 2**63 - 1
# What an answer holds whichever attributes were asked for.
ALWAYS = frozenset({"id", "uid", "ref", "pack"})
Document = dict[str, Any]


def window(query: Mapping[str, str]) -> tuple[int, int]:
    """Give (limit, offset) as a query asks for them, -1 for no limit; raises Fault 400 or 403."""
    limit, offset = whole(query, "limit", MAX_PAGE), whole(query, "offset", 0)
    if limit > MAX_PAGE:
        raise Fault(403, f'Limit "{limit}" specified, maximum value is "{MAX_PAGE}"')
    if limit < ALL:
        raise Fault(400, f'Limit, "{limit}" specified, must be a positive number.')
    if limit == 0:
        raise Fault(400, f'Limit, "{limit}" specified, must be a positive number or -1 for full result set.')
    return limit, max(0, offset)


def whole(query: Mapping[str, str], name: str, otherwise: int) -> int:
    """Read a whole number of a query, of at most 64 bits; raises Fault 400."""
    try:
        found = int(query.get(name, otherwise))
    except ValueError:
        raise Fault(400, f'Parameter "{name}" is not of type integer') from None
    if abs(found) > LARGEST:
        raise Fault(400, f'expected the parameter "{name}" to be at most {LARGEST}')
    return found


def moment(query: Mapping[str, str], name: str) -> str:
    """Read a time of a query, in the form in which times are stored; one without a zone is UTC. Raises Fault 400."""
    try:
        found = datetime.fromisoformat(query[name].replace(" ", "+"))
        return timestamp((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise Fault(400, f"expected a time such as {timestamp()} for {name}, got {query[name]!r}") from None


def page(items: Sequence[Any], total: int, limit: int) -> Response:
    """Answer one page of a list."""
    limits = {"X-Limit": str(limit)} if limit > 0 else {}
    return Response(200, list(items), {"X-Total-Count": str(total), **limits})


def paged(items: Sequence[Document], query: Mapping[str, str]) -> Response:
    """Answer the page of a whole list that a query asks for: sorted, cut, with the attributes that it wants."""
    limit, offset = window(query)
    cut = _sorted(items, query)[offset:]
    shown = [_chosen(item, query) for item in (cut if limit == ALL else cut[:limit])]
    if "name" in query and "limit" not in query:
        limit = ALL  # found by name: one page, no limit
    return page(shown, len(items), limit)


def found(among: Mapping[str, Any], ref: str) -> Any:
    """Give what has a reference or an id; raises Fault 404."""
    known = among.get(ref) or next((value for value in among.values() if value.id == ref), None)
    if known is None:
        raise Fault(404, f'Resource with a reference or id "{ref}" not found')
    return known


def _sorted(items: Sequence[Document], query: Mapping[str, str]) -> list[Document]:
    """Sort by the attributes that a query names, `-` for the other way round; the first of them counts most."""
    kept = list(items)
    for name in reversed(_names(query, "sort")):
        kept.sort(key=partial(_text, name.lstrip("+-")), reverse=name.startswith("-"))
    return kept


def _text(name: str, item: Document) -> str:
    return str(item.get(name, ""))


def _chosen(item: Document, query: Mapping[str, str]) -> Document:
    wanted, left_out = _names(query, "include_attributes"), _names(query, "exclude_attributes")
    if wanted:
        return {name: value for name, value in item.items() if name in {*wanted, *ALWAYS}}
    return {name: value for name, value in item.items() if name not in left_out}


def _names(query: Mapping[str, str], parameter: str) -> list[str]:
    return [name for name in query.get(parameter, "").split(",") if name]


def filtered(items: Sequence[dict[str, Any]], query: Mapping[str, str], names: Sequence[str]) -> list[dict[str, Any]]:
    """Keep the documents whose members equal the query's parameters of these names."""
    wanted = {name: query[name] for name in names if name in query}
    return [item for item in items if all(str(item.get(name)) == value for name, value in wanted.items())]


def truth(text: str | None) -> bool:
    """Read a query's boolean as StackStorm does."""
    return (text or "").lower() in ("true", "1", "yes")
