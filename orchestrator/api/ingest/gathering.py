"""Small requests with events, gathered: what many bring while the log writes is handed to it in one go.

One thread does what a thread for each of them would do, without handing Python's lock around.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from orchestrator.api.ingest.working import Busy
from orchestrator.flows.intake import HEARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.flows.accepting import Accepting, Arrival, Verdict

# A body of more bytes is read in a thread of its own: reading it would keep the others waiting.
SMALL: Final = 8 * 2**10
MOST_GATHERED: Final = 2_048


@dataclass(frozen=True, slots=True)
class Brought:
    """What one request brought, and where its verdicts are waited for."""

    arrivals: Sequence[Arrival]
    verdicts: asyncio.Future[list[Verdict]]

    @property
    def heard(self) -> bool:
        """Tell whether the ledger is to hear of any of it."""
        return any(each.event.type in HEARD for each in self.arrivals)


class Gatherer:
    """What the ledger hears of and the rest, each in a line of its own: telemetry waits for no ledger.

    Used on the server's loop alone, and asynchronous for that reason.
    """

    def __init__(self) -> None:
        self._lines = {heard: _Line() for heard in (False, True)}

    async def accept(self, taking_in: Accepting, arrivals: Sequence[Arrival]) -> list[Verdict]:
        """Have events accepted together with those of others; raises Busy, and what accepting raises."""
        brought = Brought(arrivals, asyncio.get_running_loop().create_future())
        self._lines[brought.heard].join(taking_in, brought)
        return await brought.verdicts


class _Line:
    def __init__(self) -> None:
        self._waiting: list[Brought] = []
        self._writing: asyncio.Task[None] | None = None

    def join(self, taking_in: Accepting, brought: Brought) -> None:
        if len(self._waiting) >= MOST_GATHERED:
            raise Busy(MOST_GATHERED)
        self._waiting.append(brought)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(taking_in))

    async def _write(self, taking_in: Accepting) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting, []
                await _accept(taking_in, taken)
        finally:
            self._writing = None


async def _accept(taking_in: Accepting, taken: Sequence[Brought]) -> None:
    try:
        found = await to_thread.run_sync(taking_in.accept, [one for each in taken for one in each.arrivals])
    except Exception as error:  # noqa: BLE001 - each request answers for it
        for each in taken:
            _settle(each.verdicts, error)
        return
    verdicts = iter(found)
    for each in taken:
        _settle(each.verdicts, list(islice(verdicts, len(each.arrivals))))


def _settle(waited_for: asyncio.Future[list[Verdict]], found: list[Verdict] | Exception) -> None:
    if waited_for.done():
        return
    if isinstance(found, Exception):
        waited_for.set_exception(found)
    else:
        waited_for.set_result(found)
