"""What the sample model provider remembers: whether it is up, its faults, and what it answered to whom."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from loadtests.faults import Fault, FaultKind, Faults

if TYPE_CHECKING:
    from pathlib import Path

OUTAGE = Fault(FaultKind.OUTAGE)
MALFORMED = Fault(FaultKind.MALFORMED)
STATUS = {FaultKind.OUTAGE: 503, FaultKind.RATE_LIMITED: 429, FaultKind.MALFORMED: 400}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How to answer one request: with this status and, where it is 200, this id; `fault` says why."""

    status: int
    answer: str | None
    fault: Fault | None = None


@dataclass
class State:
    """What the provider remembers; `scale` is seconds for each generated token.

    `ordered` is the trouble that somebody has switched on, which comes before the faults of the file. With `log`, each
    answer is a line of that file (time, call, status, fault, id) and no list grows in memory.
    """

    scale: float
    faults: Faults = field(default_factory=lambda: Faults(0))
    log: Path | None = None
    ordered: Fault | None = None
    served: int = 0
    refused: int = 0
    ids: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _began: float | None = None
    _limited: dict[int, float] = field(default_factory=dict)
    # Calls whose own fault was hidden by one by the clock: it comes with their next request.
    _owed: set[int] = field(default_factory=set)
    _file: int | None = None

    def __post_init__(self) -> None:
        if self.log:
            self._file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def decide(self, prefix: str, call: int | None = None, *, first: bool = True, malformed: bool = False) -> Verdict:
        """Decide on one request; `first` tells that this call has not been asked before, `malformed` what it is."""
        with self.lock:
            fault = MALFORMED if malformed else self._fault(call, first=first, now=time.monotonic())
            status = STATUS.get(fault.kind, 200) if fault else 200
            answer = None
            if status == 200:  # noqa: PLR2004 - HTTP's own number
                answer = f"{prefix}-{uuid4().hex}"
                self.served += 1
            else:
                self.refused += 1
            self._note(call, status, fault, answer)
        return Verdict(status, answer, fault)

    def _fault(self, call: int | None, *, first: bool, now: float) -> Fault | None:
        """Find the fault of a request: what is wrong with the prompt is seen first, even while the engine is down."""
        own = None if call is None else self.faults.of_call(call)
        if own and own.kind is FaultKind.MALFORMED:
            return own
        held = self._by_time(now)
        if call is None or own is None:
            return held
        if held:
            self._owed.update({call} if first else ())
            return held
        first = first or call in self._owed
        self._owed.discard(call)
        return self._by_call(call, own, first=first, now=now)

    def _by_time(self, now: float) -> Fault | None:
        if self.ordered:
            return self.ordered
        self._began = self._began or now
        return self.faults.at(now - self._began)

    def _by_call(self, call: int, own: Fault, *, first: bool, now: float) -> Fault | None:
        """Let a fault by share come once; who is limited stays so until the Retry-After is over."""
        if own.kind is FaultKind.KILLED:
            return None
        if own.kind is not FaultKind.RATE_LIMITED:
            return own if first else None
        if first:
            self._limited[call] = now + own.retry_after
        if now < self._limited.get(call, 0):
            return own
        self._limited.pop(call, None)
        return None

    def _note(self, call: int | None, status: int, fault: Fault | None, answer: str | None) -> None:
        if self._file is not None:
            who, why = -1 if call is None else call, fault.kind if fault else "-"
            os.write(self._file, f"{time.time():.3f} {who} {status} {why} {answer or '-'}\n".encode())
        elif answer:
            self.ids.append(answer)

    def switch(self, *, up: bool) -> None:
        """Go up or down."""
        self.order(None if up else OUTAGE)

    def order(self, trouble: Fault | None) -> None:
        """Have this trouble from now on, or none."""
        with self.lock:
            self.ordered = trouble

    def health(self) -> Fault | None:
        """Give the trouble that a request would meet now, whatever it asks."""
        with self.lock:
            return self.ordered or (self._by_time(time.monotonic()) if self._began is not None else None)

    def stats(self) -> dict[str, Any]:
        """Count what was served and refused so far; `ids` are those of the answers, in order, where no log has them."""
        with self.lock:
            now = time.monotonic()
            seconds = 0.0 if self._began is None else now - self._began
            held = self.ordered if self._began is None else self._by_time(now)
            return {
                "up": not (held and held.kind is FaultKind.OUTAGE),
                "fault": str(held.kind) if held else None,
                "seconds": seconds,
                "served": self.served,
                "refused": self.refused,
                "ids": list(self.ids),
            }
