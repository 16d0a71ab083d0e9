"""Probes under way, each in a thread of its own: a few at a time, and one for each dependency."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final

from orchestrator.domain.probes import ProbeResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.ports import Prober
    from orchestrator.domain.probes import ProbeSpec

MOST: Final = 8
# Seconds beyond its time-out after which a probe is given up; its thread may stay: nothing ends a look-up of a name.
GRACE: Final = 1.0
# Seconds after which a result says nothing of now: whoever asked for it had lost the lead meanwhile.
STALE: Final = 30.0


@dataclass(slots=True)
class _Run:
    give_up_at: float
    result: ProbeResult | None = None
    ended_at: float = 0.0
    told: bool = False


@dataclass(slots=True)
class ThreadedRuns:
    """The port ProbeRuns: at most `most` threads, those that hang included. Called from one thread.

    `on_end` is called, from another thread, when there is a result to ask for.
    """

    prober: Prober
    on_end: Callable[[], None] = lambda: None
    most: int = MOST
    _runs: dict[str, _Run] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def start(self, name: str, spec: ProbeSpec) -> bool:
        """Begin a probe in a thread that keeps nobody from ending."""
        with self._lock:
            if name in self._runs or len(self._runs) >= self.most:
                return False
            run = self._runs[name] = _Run(time.monotonic() + spec.timeout + GRACE)
        Thread(target=self._probe, args=(spec, run), name=f"probe-{name}", daemon=True).start()
        return True

    def _probe(self, spec: ProbeSpec, run: _Run) -> None:
        result = self.prober.probe(spec)
        with self._lock:
            run.result, run.ended_at = result, time.monotonic()
        self.on_end()

    def finished(self) -> list[tuple[str, ProbeResult]]:
        """Give the results that have come, and a failed one for each probe that overran its time-out.

        A result that nobody has asked for in time is dropped: it tells of a while ago.
        """
        now, told = time.monotonic(), []
        with self._lock:
            for name, run in list(self._runs.items()):
                result = run.result or _given_up(run, now)
                old = run.result is not None and now - run.ended_at > STALE
                if result and not run.told and not old:
                    told.append((name, result))
                    run.told = True
                if run.result:
                    del self._runs[name]
        return told


def _given_up(run: _Run, now: float) -> ProbeResult | None:
    if now < run.give_up_at:
        return None
    return ProbeResult(passed=False, why="did not end in time, and still has not")
