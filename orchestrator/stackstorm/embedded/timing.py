"""Runs the timers that rules ask for: on the control thread, their next times stored.

What a restart missed is not made up for, as in StackStorm, whose timers live in memory; nor is what comes more than a
second late. An interval keeps its pace over a restart: there it begins anew.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestrator.stackstorm.embedded.rules import timers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.stackstorm.embedded.content.triggers import Trigger
    from orchestrator.stackstorm.embedded.control import Control
    from orchestrator.stackstorm.embedded.store import Store

GRACE: Final = timedelta(seconds=1)
# A clock that is set, or a machine that slept, is noticed within this.
HOP_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 0.5
log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


class Timing:
    """Timers by the ref of their trigger. All methods run on the control thread, or before it runs."""

    def __init__(
        self,
        store: Store,
        control: Control,
        fire: Callable[[Trigger, dict[str, Any], str], Any],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._control = control
        self._fire = fire
        self._now = now
        self._timers: dict[str, tuple[Trigger, timers.Timer]] = {}
        self._due: dict[str, datetime] = {}

    def follow(self, wanted: Mapping[str, Trigger]) -> None:
        """Run these timers and no others; those that run already are left alone."""
        stored = self._store.timers.all()
        for ref in (set(self._timers) | set(stored)) - set(wanted):
            self._timers.pop(ref, None)
            self._due.pop(ref, None)
            self._store.timers.forget(ref)
        for ref in set(wanted) - set(self._timers):
            try:
                self._begin(ref, wanted[ref], stored.get(ref))
            except Exception:
                log.exception("timer.begin_failed trigger=%s", ref)
                self._timers.pop(ref, None)

    def _begin(self, ref: str, trigger: Trigger, stored: datetime | None) -> None:
        timer = timers.parse(trigger.type, trigger.parameters)
        self._timers[ref] = (trigger, timer)
        now = self._now()
        if stored is not None and stored <= now:
            log.warning("timer.missed trigger=%s due=%s", ref, stored.isoformat())
        ahead = stored if stored is not None and stored > now and isinstance(timer, timers.Interval) else None
        due = ahead or timers.next_fire(timer, now)
        self._keep(ref, due)
        self._arm(ref, due)

    def _keep(self, ref: str, due: datetime | None) -> None:
        """Store when a timer fires next."""
        if due is None:
            self._store.timers.forget(ref)
        else:
            self._store.timers.put(ref, due)

    def _arm(self, ref: str, due: datetime | None) -> None:
        """Wait until a timer fires next."""
        if due is None:
            self._due.pop(ref, None)
        else:
            self._due[ref] = due
            self._wait(ref, due)

    def _wait(self, ref: str, due: datetime) -> None:
        seconds = max(0.0, (due - self._now()) / timedelta(seconds=1))
        self._control.after(min(seconds, HOP_SECONDS), lambda: self._woken(ref, due))

    def _woken(self, ref: str, due: datetime) -> None:
        now = self._now()
        if self._due.get(ref) != due:
            return  # another time, or no timer any more
        if due > now:
            self._wait(ref, due)
            return
        following = timers.next_fire(self._timers[ref][1], now, previous=due)
        try:
            with self._store.transaction():
                self._emit(ref, due, now)
                self._keep(ref, following)
        except Exception:
            self._control.after(RETRY_SECONDS, lambda: self._woken(ref, due))
            raise
        self._arm(ref, following)

    def _emit(self, ref: str, due: datetime, now: datetime) -> None:
        trigger, _ = self._timers[ref]
        if now - due > GRACE:
            log.warning("timer.missed trigger=%s due=%s", ref, due.isoformat())
        else:
            tag = f"{trigger.type.split('.', 1)[1]}-{trigger.name}"
            self._fire(trigger, {"executed_at": str(now), "schedule": None}, tag)
