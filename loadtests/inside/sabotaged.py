"""The orchestrator, sabotaged: `python -m loadtests.inside.sabotaged run ...`, with what LOADTESTS_SABOTAGE names.

Nothing of the product knows of it: its methods are wrapped here, before it starts.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace as changed
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

from eventbus.wire import LLM_CALL
from loadtests import sabotage
from loadtests.slowing import replace, spin, stretched
from orchestrator.__main__ import main
from orchestrator.bootstrap.supervisor import Loop
from orchestrator.domain.events import Deferred
from orchestrator.flows.forwarding import Relay
from orchestrator.flows.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from orchestrator.domain.events import Delivery
    from orchestrator.flows.batches import Batch

    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[..., Awaitable[None]]

SLOWER_SHARE: Final = 0.2
# Some requests wait for news: of these, the waiting is not the build's.
LONGEST_SECONDS: Final = 0.05
# The bills are made in the warehouse: what is lost there would be missed by more than one gate.
SPARED: Final = "warehouse"


def lost_event(marker: Path) -> None:
    """Have a relay keep one model call back from its sink and go on as if it had been delivered; once for a folder."""
    replace(Relay, "_delivered", partial(_losing, marker=marker))


def _losing(deliver: Callable[[Relay, Batch], Delivery], marker: Path) -> Callable[[Relay, Batch], Delivery]:
    @wraps(deliver)
    def losing(relay: Relay, batch: Batch) -> Delivery:
        calls = [each for each in batch.wanted if each.record.type == LLM_CALL]
        if relay.sink.name == SPARED or not calls or len(batch.wanted) == 1 or marker.exists():
            return deliver(relay, batch)
        delivery = deliver(relay, changed(batch, wanted=[each for each in batch.wanted if each is not calls[0]]))
        if not isinstance(delivery, Deferred):  # or else the whole batch goes again
            marker.write_text(f"{relay.sink.name} {calls[0].record.key}\n")
        return delivery

    return losing


def slower_build() -> None:
    """Have the parts of the orchestrator take a fifth more of the processor, and its API a fifth more of the time."""
    for owner, name in ((Loop, "_stepped"), (Intake, "handle")):
        replace(owner, name, partial(stretched, share=SLOWER_SHARE))
    replace(FastAPI, "__call__", _answering_later)


def _answering_later(answer: App) -> App:
    async def later(self: FastAPI, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        began = time.perf_counter()

        async def send_later(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                took = time.perf_counter() - began
                await asyncio.to_thread(spin, min(LONGEST_SECONDS, SLOWER_SHARE * took))
            await send(message)

        await answer(self, scope, receive, send_later)

    return later


def _sabotage(name: str | None, folder: Path) -> None:
    if name == sabotage.LOST_EVENT:
        lost_event(folder / "lost-event.txt")
    elif name == sabotage.SLOWER_BUILD:
        slower_build()


if __name__ == "__main__":
    _sabotage(sabotage.of(os.environ.get(sabotage.VARIABLE)).name, Path(os.environ.get(sabotage.FOLDER_VARIABLE, ".")))
    sys.exit(main())
