"""Pages of a list: where the next one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request, Response


def link_next(request: Request, response: Response, limit: int, keys: Sequence[object]) -> None:
    """Link to the next page, which begins behind the last key of this one; a page that is not full is the last."""
    if len(keys) == limit:
        following = request.url.include_query_params(cursor=str(keys[-1]))
        response.headers["Link"] = f'<{following}>; rel="next"'
