"""A circuit that stands over a restart, and hears an operator: the breaker, its row, and who is told of its changes."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.breaker.breaker import LOOK
from orchestrator.breaker.shifts import Shift
from orchestrator.domain.circuits import CircuitChange, CircuitState, Standing, awaits_settings
from orchestrator.domain.errors import RedriveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestrator.breaker.breaker import Breaker
    from orchestrator.domain.events import Delivery
    from orchestrator.domain.ports import Circuits

# Changes that could not be told yet; the oldest give way.
MOST_UNTOLD: Final = 64


class KeptBreaker:
    """Loads how its circuit stood, saves each change, looks at most once in LOOK seconds at what an operator says.

    For one relay. `wall` gives the time of day, `clock` seconds that never go back. A store that does not answer, or a
    `tell` that raises, never keeps a delivery: the breaker goes on by itself, and both are tried again.
    """

    def __init__(
        self,
        breaker: Breaker,
        circuits: Circuits,
        wall: Callable[[], datetime],
        tell: Callable[[CircuitChange], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = str(breaker.name)
        self._breaker = breaker
        self._circuits = circuits
        self._wall = wall
        self._tell = tell
        self._clock = clock
        self._look_at = -math.inf
        self._standing: Standing | None = None
        # When the row was written last, as far as is known here; None before it was read.
        self._row_at: datetime | None = None
        self._unsaved = False
        self._untold: deque[CircuitChange] = deque(maxlen=MOST_UNTOLD)

    @property
    def current_state(self) -> str:
        """Give the state of the circuit: closed, open or half-open."""
        return self._breaker.current_state

    def rest(self) -> float:
        """Tell for how long, up to LOOK seconds, nothing is to be sent; 0 to go on."""
        self._look()
        self._keep()
        return self._breaker.rest()

    def allowance(self) -> float:
        """Give the share of the usual number of events that the next batch may hold."""
        return self._breaker.allowance()

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make the delivery, or give Deferred at once while the circuit is open."""
        self._look()
        delivery = self._breaker.deliver(send)
        self._keep()
        return delivery

    def _look(self) -> None:
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + LOOK
        try:
            found = self._circuits.load(self._name)
        except RedriveError:
            return
        if found is None:
            self._unsaved = True
        elif found.at != self._row_at and not self._unsaved:
            self._adopt(found)
        self._breaker.force(found.forced if found else None)

    def _adopt(self, found: Standing) -> None:
        """Stand as the row says: as before a restart, or as another process that led in between left it.

        One that was parked is probed at once after a restart: that is when settings change.
        """
        mended = self._row_at is None and awaits_settings(found)
        seconds = 0.0 if mended else found.seconds_left(self._wall())
        noticed = found.forced if _noticed(found) else None
        self._breaker.resume(
            Shift(found.state, found.state, seconds, found.trips, found.outcome, found.reason, noticed)
        )
        self._standing, self._row_at = found, found.at

    def _keep(self) -> None:
        """Save where it stands when that changed, and tell each change once it is saved."""
        for shift in self._breaker.take_shifts():
            self._standing = self._after(shift)
            self._untold.append(CircuitChange(shift.before, self._standing))
            self._unsaved = True
        if self._standing and self._standing.trips != self._breaker.trips:
            self._standing = replace(self._standing, trips=self._breaker.trips, at=self._wall())
            self._unsaved = True
        if self._unsaved:
            self._save()
        while self._untold and not self._unsaved:
            try:
                self._tell(self._untold[0])
            except RedriveError:
                return
            self._untold.popleft()

    def _save(self) -> None:
        standing = self._standing or Standing(self._name, CircuitState(self.current_state), self._wall())
        try:
            self._circuits.save(standing)
        except RedriveError:
            return
        self._standing, self._row_at, self._unsaved = standing, standing.at, False

    def _after(self, shift: Shift) -> Standing:
        now, waits = self._wall(), shift.state is CircuitState.OPEN and shift.forced is None
        return Standing(
            name=self._name,
            state=shift.state,
            at=now,
            trips=shift.trips,
            reopen_at=now + timedelta(seconds=shift.seconds) if waits else None,
            outcome=shift.outcome,
            reason=shift.reason,
            forced=shift.forced,
        )


def _noticed(found: Standing) -> bool:
    """Tell whether a relay has told what the operator says: what was said while nobody looked has yet to be."""
    forced = found.forced
    return forced is not None and (forced.state, forced.reason) == (found.state, found.reason)
