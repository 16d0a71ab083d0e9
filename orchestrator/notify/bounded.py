"""A target that is given so many seconds in all, however slowly it answers: what hangs is left behind."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

from orchestrator.domain.notifying import NotSent, Sent

if TYPE_CHECKING:
    from orchestrator.domain.alerts import Notice
    from orchestrator.domain.notifying import Notifier

log = structlog.get_logger("redrive.alerts")


class BoundedNotifier:
    """Tells a target in a thread of its own; no call waits longer than `seconds`.

    While a call that was left behind still hangs, no other is begun: threads would pile up.
    """

    def __init__(self, notifier: Notifier, seconds: float) -> None:
        self.name, self.keeps = notifier.name, notifier.keeps
        self._notifier, self._seconds = notifier, seconds
        self._hanging: Thread | None = None

    def notify(self, notice: Notice) -> Sent | NotSent:
        """Tell it, or say that it was too late."""
        if self._hanging is not None and self._hanging.is_alive():
            return NotSent(f"{self.name} still hangs in the call before", late=True)
        came: list[Sent | NotSent] = []
        done = Event()
        thread = Thread(target=self._call, args=(notice, came, done), name=f"alert-{self.name}", daemon=True)
        thread.start()
        if done.wait(self._seconds) and came:
            self._hanging = None
            return came[0]
        self._hanging = thread
        return NotSent(f"{self.name} did not answer within {self._seconds:g} s", late=True)

    def _call(self, notice: Notice, came: list[Sent | NotSent], done: Event) -> None:
        try:
            came.append(self._notifier.notify(notice))
        except Exception as error:  # noqa: BLE001 - a target's client may raise anything
            log.error("alert.target_broke", target=self.name, error=type(error).__name__)  # noqa: TRY400 - its text may hold secrets
            came.append(NotSent(f"{self.name} raised {type(error).__name__}"))
        finally:
            done.set()
