"""Which request is answered by what. What a StackStorm has and this one has not is answered 501, never ignored."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

Handler = Callable[..., Response]
Route = tuple[str, str, Handler]

ELSEWHERE = (
    "inquiries",
    "packs",
    "policies",
    "policytypes",
    "rbac",
    "sensortypes",
    "stream",
    "workflows",
)


class Router:
    """Finds the handler of a request; `{}` in a pattern is one part of the path, handed on as an argument.

    The first part of a pattern is the same in every path that it fits: only patterns that begin as a path are tried.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[str, list[tuple[str, re.Pattern[str], Handler]]] = {}
        for method, pattern, handler in routes:
            compiled = re.compile("^" + pattern.replace("{}", "([^/]+)") + "$")
            self._routes.setdefault(_first(pattern), []).append((method, compiled, handler))

    def __call__(self, request: Request) -> Response:
        """Answer a request; raises Fault."""
        known = False
        first = _first(request.path)
        for method, pattern, handler in self._routes.get(first, ()):
            match = pattern.match(request.path)
            if match and method == request.method:
                return handler(request, *match.groups())
            known = known or match is not None
        if known or first in ELSEWHERE:
            raise Fault(501, f"{request.method} {request.path} is not supported by the embedded StackStorm")
        raise Fault(404, "The resource could not be found.")


def _first(path: str) -> str:
    return path.strip("/").split("/")[0]
