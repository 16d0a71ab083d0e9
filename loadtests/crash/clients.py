"""Clients that note an event as accepted once they have its receipt, and hand it over again until they do."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from loadtests.apps.ways import make_some

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from eventbus.wire import Event
    from loadtests.apps.ways import Way

BATCH: Final = 20
PAUSE_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 0.2


@dataclass(slots=True)
class Client:
    """One caller on a thread of its own; `accepted` maps each id that it has a receipt for to the event's type."""

    name: str
    way: Way
    dice: Random
    accepted: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    last_error: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name=f"client-{self.name}")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send nothing new, and wait for what is under way: one more try, where nobody answers."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            events = make_some(self.dice, BATCH)
            while not self._put(events) and not self._stop.wait(AGAIN_SECONDS):
                pass

    def _put(self, events: Sequence[Event]) -> bool:
        self.tries += 1
        try:
            self.way.put(events)
        except Exception as error:  # noqa: BLE001 - whatever came: there is no receipt
            self.last_error = f"{type(error).__name__}: {error}"
            return False
        self.accepted |= {each.id: each.type for each in events}
        return True
