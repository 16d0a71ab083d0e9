"""The threads in which events are taken in: apart from the API's, and so many that one commit serves many callers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect

from orchestrator.api.ingest.bodies import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request

AT_ONCE: Final = 64
MOST_WAITING: Final = 256
P = ParamSpec("P")
R = TypeVar("R")


class Busy(Exception):
    """More requests wait to be taken in than may."""

    def __init__(self, most: int) -> None:
        super().__init__(f"expected at most {most} requests with events to wait, got one more")


class Workers:
    """A request waits here for the disk, in one of AT_ONCE threads."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AT_ONCE)

    async def run(self, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        """Do the work in a thread; raises Busy where too many wait for one."""
        if self._limiter.statistics().tasks_waiting >= MOST_WAITING:
            raise Busy(MOST_WAITING)
        return await to_thread.run_sync(work, *args, limiter=self._limiter)


async def whole_body(request: Request) -> bytes:
    """Read what is sent; asynchronous because ASGI is. Raises Unreadable where the sender goes away in the middle."""
    try:
        return await request.body()
    except ClientDisconnect:
        raise Unreadable(HTTPStatus.BAD_REQUEST, "a whole body", "a connection that was cut") from None
