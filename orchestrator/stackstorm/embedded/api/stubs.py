"""What no StackStorm has: actions that a test replaces. Served only where the process was started for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.api.http import Request, Response
from orchestrator.stackstorm.embedded.errors import Fault
from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.runners.catalog import NOOP, ORQUESTA
from orchestrator.stackstorm.embedded.runners.ended import Ended

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.api.routes import Route
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.stubs import StubbedRunners

# None of these runs code of a pack: there is nothing to keep away from.
NOT_REPLACED = (NOOP, ORQUESTA, "inquirer")


class StubRoutes:
    """PUT and DELETE of /stubs/ACTION."""

    def __init__(self, library: Library, runners: StubbedRunners) -> None:
        self._library = library
        self._runners = runners

    def routes(self) -> list[Route]:
        """Give the routes for the router."""
        return [("PUT", "/stubs/{}", self.put), ("DELETE", "/stubs/{}", self.delete)]

    def put(self, request: Request, ref: str) -> Response:
        """Replace an action by {"status": ..., "result": ...}."""
        action = self._library.content.actions.get(ref)
        if action is None:
            raise Fault(404, f'Action "{ref}" cannot be found.')
        if action.runner_type in NOT_REPLACED:
            raise Fault(400, f"expected an action whose runner runs something, got {ref} with {action.runner_type}")
        asked = request.body if isinstance(request.body, dict) else {}
        if asked.get("status") not in statuses.COMPLETED:
            expected = ", ".join(sorted(statuses.COMPLETED))
            raise Fault(400, f"expected one of {expected} as the status of a stub, got {asked.get('status')!r}")
        if not isinstance(asked.get("result"), dict):
            raise Fault(400, f"expected a mapping as the result of a stub, got {asked.get('result')!r}")
        self._runners.stubs[ref] = Ended(asked["status"], asked["result"])
        return Response(200, asked)

    def delete(self, _request: Request, ref: str) -> Response:
        """Let an action run again."""
        self._runners.stubs.pop(ref, None)
        return Response(204)
