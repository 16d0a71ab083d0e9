"""The supervisor: each part runs in a thread of its own, keeps going after a fault, and stops when told."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from orchestrator.domain.errors import RedriveError, StaleEpoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.bootstrap.leadership import Leadership

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0
FOLLOWER_WAIT = 0.5
STOP_SECONDS = 10.0
# Each statement and each sync gives the interpreter's lock away, and gets it back from a busy thread only after this
# long: Python's own 5 ms made of ten statements beside a busy part 50 ms.
SWITCH_SECONDS = 0.0005
log = structlog.get_logger("redrive")


@dataclass(frozen=True, slots=True)
class Finish:
    """What a loop still does once told to stop: `step`, again while it gives True, and for so many seconds at most."""

    step: Callable[[], bool]
    seconds: float


@dataclass(frozen=True, slots=True)
class Loop:
    """A part that is done in steps: `step` gives the seconds to wait before the next one. Only the leader steps.

    Whoever makes work for it in this process sets `wake`, which ends the wait; other processes' work is found by then.
    """

    name: str
    step: Callable[[], float]
    leadership: Leadership | None = None
    wake: Event = field(default_factory=Event)
    finish: Finish | None = None

    def run(self, stop: Event) -> None:
        """Step until told to stop."""
        while not stop.is_set():
            if self.leadership and not self.leadership.lead():
                stop.wait(FOLLOWER_WAIT)
                continue
            self.wake.clear()  # before the step: work that comes while it runs is another step's
            wait = self._stepped()
            if wait and not stop.is_set():
                self.wake.wait(wait)
        if self.finish:
            self._finish(self.finish)

    def _finish(self, finish: Finish) -> None:
        until = monotonic() + finish.seconds
        while monotonic() < until and (self.leadership is None or self.leadership.lead()) and finish.step():
            pass

    def _stepped(self) -> float:
        try:
            return self.step()
        except StaleEpoch as stale:
            if self.leadership is None:
                raise
            self.leadership.lost(stale.newest)
            log.warning("lease.lost", part=self.name)
            return FOLLOWER_WAIT


@dataclass(frozen=True, slots=True)
class Service:
    """A part that runs by itself until told to stop, as a server or a consumer does."""

    name: str
    run: Callable[[Event], None]


Part = Loop | Service


@dataclass(slots=True)
class Supervisor:
    """Runs parts. A part that raises is started again after a wait that grows up to five seconds."""

    parts: tuple[Part, ...]
    stop: Event = field(default_factory=Event)
    _threads: list[Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start every part."""
        sys.setswitchinterval(SWITCH_SECONDS)
        for part in self.parts:
            thread = Thread(target=self._keep, args=(part,), name=part.name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _keep(self, part: Part) -> None:
        wait = FIRST_WAIT
        while not self.stop.is_set():
            try:
                part.run(self.stop)
            except RedriveError as error:
                log.warning("part.interrupted", part=part.name, error=str(error), again_in=wait)
            except Exception:
                log.exception("part.failed", part=part.name, again_in=wait)
            self.stop.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def shut_down(self) -> list[str]:
        """Tell every part to stop and wait for them; gives the names of those that did not."""
        self.stop.set()
        for part in self.parts:
            if isinstance(part, Loop):
                part.wake.set()
        for part, thread in zip(self.parts, self._threads, strict=True):
            finish = part.finish if isinstance(part, Loop) else None
            thread.join(STOP_SECONDS + (finish.seconds if finish else 0.0))
        return [thread.name for thread in self._threads if thread.is_alive()]
