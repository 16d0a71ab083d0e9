"""What a request may weigh."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from orchestrator.api.ingest.bodies import MOST_BYTES as MOST_OF_EVENTS
from orchestrator.api.ingest.paths import EVERY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 2**20


class BodyLimit:
    """Refuses a body of more than `most` bytes with 413 while it is read, so that it is never held whole.

    Where events come in, it is MOST_OF_EVENTS.
    """

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received; asynchronous because ASGI is."""
        seen = 0
        most = MOST_OF_EVENTS if scope.get("path") in EVERY else self._most

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                detail = f"expected a body of at most {most} bytes, got more; send less at a time"
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            return message

        await self._app(scope, counted, send)
