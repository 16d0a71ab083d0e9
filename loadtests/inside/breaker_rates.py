"""What a call through the circuit breaker costs, beside pybreaker's own class, in turns in one process.

    python -m loadtests.inside.breaker_rates --calls N --rounds N

Prints, as JSON, microseconds a call of each (a call that does nothing and succeeds), and the seconds that 16 threads
take for calls that sleep: pybreaker's own holds its lock meanwhile.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pybreaker

from orchestrator.breaker import Breaker, KeptBreaker
from orchestrator.domain.events import Delivered
from orchestrator.eventlog.circuits import MemoryCircuits

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.domain.events import Delivery

THREADS: Final = 16
SLEEP: Final = 0.005
SLEEPING_CALLS: Final = 20
DELIVERED: Final = Delivered()

Calls = dict[str, "Callable[[], object]"]


def delivered() -> Delivery:
    """Do nothing, and succeed."""
    return DELIVERED


def plain() -> Callable[[Callable[[], object]], object]:
    """Give the call of pybreaker's own class."""
    return pybreaker.CircuitBreaker().call


def ours() -> Callable[[Callable[[], object]], object]:
    """Give the call of ours."""
    return Breaker("bench", lambda: 0.0).call


def kept() -> Callable[[Callable[[], Delivery]], Delivery]:
    """Give what a relay calls: the breaker whose row is looked at once a second."""
    return KeptBreaker(
        Breaker("bench", lambda: 0.0), MemoryCircuits(), lambda: datetime.now(UTC), lambda _change: None
    ).deliver


def microseconds(call: Callable[[Callable[[], Delivery]], object], calls: int) -> float:
    """Time calls that succeed, one after the other."""
    began = time.perf_counter()
    for _ in range(calls):
        call(delivered)
    return (time.perf_counter() - began) / calls * 1e6


def seconds(call: Callable[[Callable[[], object]], object]) -> float:
    """Time 16 threads whose calls sleep."""

    def work() -> None:
        for _ in range(SLEEPING_CALLS):
            call(lambda: time.sleep(SLEEP))

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for each in [pool.submit(work) for _ in range(THREADS)]:
            each.result()
    return time.perf_counter() - began


def main() -> None:
    """Measure in turns, each round the other way round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    given = parser.parse_args()
    calls = {"nothing": lambda: lambda func: func(), "pybreaker": plain, "ours": ours, "kept": kept}
    threads = {"pybreaker": plain, "ours": ours}
    alone: dict[str, list[float]] = {name: [] for name in calls}
    together: dict[str, list[float]] = {name: [] for name in threads}
    for number in range(given.rounds):
        for name in sorted(calls, reverse=number % 2 == 0):
            alone[name].append(microseconds(calls[name](), given.calls))
        for name in sorted(threads, reverse=number % 2 == 0):
            together[name].append(seconds(threads[name]()))
    print(json.dumps({"microseconds": alone, "seconds": together}))


if __name__ == "__main__":
    main()
