"""What Locust saw of the requests, read from the file that it writes at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Requests:
    """One kind of request as Locust saw it; `p95_ms` is from its histogram, which rounds."""

    name: str
    requests: int
    failures: int
    p95_ms: float


def of_locust(entries: Iterable[Mapping[str, Any]]) -> list[Requests]:
    """Read the statistics that Locust wrote."""
    return [
        Requests(each["name"], each["num_requests"], each["num_failures"], _p95(each["response_times"]))
        for each in entries
    ]


def _p95(histogram: Mapping[str, int]) -> float:
    """Give the least time that 95 % of the requests do not exceed."""
    wanted, seen = 0.95 * sum(histogram.values()), 0
    for time, count in sorted((float(time), count) for time, count in histogram.items()):
        seen += count
        if seen >= wanted:
            return time
    return 0.0
