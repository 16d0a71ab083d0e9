"""The threads in which events are taken in: apart from the API's, and so many that one commit serves many callers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect

from orchestrator.api.ingest.bodies import Unreadable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import Request

AT_ONCE: Final = 64
MOST_WAITING: Final = 256
# Bytes of bodies that are being received, wait or are worked on: twelve of the largest, hundreds of an SDK's.
MOST_IN_HAND: Final = 128 * 2**20
# Within so many seconds a body has come, or it makes room for others.
MOST_SECONDS: Final = 60
P = ParamSpec("P")
R = TypeVar("R")


class Busy(Exception):
    """More waits to be taken in than may."""

    def __init__(self, most: int, what: str = "requests with events") -> None:
        super().__init__(f"expected at most {most} {what} to wait, got more")


class Workers:
    """A request waits here for the disk, in one of AT_ONCE threads; its body counts as long as it is in hand."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AT_ONCE)
        self._in_hand = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Read what is sent, and hold it; asynchronous because ASGI is.

        Raises Busy beyond MOST_IN_HAND and MOST_SECONDS, Unreadable where the sender goes away in the middle.
        """
        parts: list[bytes] = []
        try:
            await self._read(request, parts)
            yield b"".join(parts)
        finally:
            self._in_hand -= sum(map(len, parts))

    async def _read(self, request: Request, parts: list[bytes]) -> None:
        try:
            async with asyncio.timeout(MOST_SECONDS):
                async for part in request.stream():
                    if self._in_hand + len(part) > MOST_IN_HAND:
                        raise Busy(MOST_IN_HAND, "bytes of events")
                    self._in_hand += len(part)
                    parts.append(part)
        except TimeoutError:
            raise Busy(MOST_SECONDS, "seconds for a body") from None
        except ClientDisconnect:
            raise Unreadable(HTTPStatus.BAD_REQUEST, "a whole body", "a connection that was cut") from None

    async def run(self, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        """Do the work in a thread; raises Busy where too many wait for one."""
        if self._limiter.statistics().tasks_waiting >= MOST_WAITING:
            raise Busy(MOST_WAITING)
        return await to_thread.run_sync(work, *args, limiter=self._limiter)
