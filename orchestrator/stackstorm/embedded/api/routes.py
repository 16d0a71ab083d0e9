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
    "actionalias",
    "aliasexecution",
    "apikeys",
    "config_schemas",
    "configs",
    "inquiries",
    "policies",
    "policytypes",
    "rbac",
    "ruletypes",
    "sensortypes",
    "service_registry",
    "stream",
    "timers",
    "triggers",
    "workflows",
)


class Router:
    """Finds the handler of a request; `{}` in a pattern is one part of the path, handed on as an argument."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [
            (method, re.compile("^" + pattern.replace("{}", "([^/]+)") + "$"), handler)
            for method, pattern, handler in routes
        ]

    def __call__(self, request: Request) -> Response:
        """Answer a request; raises Fault."""
        known = False
        for method, pattern, handler in self._routes:
            match = pattern.match(request.path)
            if match and method == request.method:
                return handler(request, *match.groups())
            known = known or match is not None
        first = request.path.strip("/").split("/")[0]
        if known or first in ELSEWHERE:
            raise Fault(501, f"{request.method} {request.path} is not supported by the embedded StackStorm")
        raise Fault(404, "The resource could not be found.")
