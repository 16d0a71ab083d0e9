"""What grows over hours: memory, open handles, and what is still waiting at the end."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from loadtests.evidence import Arm
from loadtests.measuring.meters import meters_of, restarted
from loadtests.measuring.resources import MB, ORCHESTRATOR, worker_of
from loadtests.measuring.slopes import slope_of
from loadtests.measuring.turns import SUCCESS
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtests.evidence import Evidence, Sample
    from loadtests.measuring.meters import Meter
    from loadtests.measuring.slopes import Slope

# What is ours: the provider, the front and Locust may grow as they like.
OURS: Final = (ORCHESTRATOR, worker_of(Arm.ON), "stackstorm")
# Caches and pools fill at first: a growth that ends there is none.
FILLING_SHARE: Final = 0.2
SHORTEST_SECONDS: Final = 600.0
# Without a restart for so much of the time; or else a slope is that of a process's first minutes.
STRETCH_SHARE: Final = 2 / 3
BIN_SECONDS: Final = 10.0
MOST_BINS: Final = 120
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Growth:
    """How one process grew; None where it was not up long enough at a stretch."""

    process: str
    slope: Slope | None


def soaking(evidence: Evidence) -> list[Figure]:
    """Give memory's and handles' growth an hour, of the process that grew most, and the backlog at the end."""
    return [
        _steepest("memory_slope_mb_per_hour", "MB/h", evidence, lambda each: each.rss_bytes / MB),
        _steepest("handles_slope_per_hour", "1/h", evidence, lambda each: float(each.handles)),
        _backlog(evidence),
    ]


def _steepest(name: str, unit: str, evidence: Evidence, value: Callable[[Sample], float]) -> Figure:
    """Give the slope of the process whose interval reaches highest: flat is said of all of them or of none."""
    growths = _growths(evidence, value)
    lacking = [each.process for each in growths if each.slope is None]
    known = {each.process: each.slope for each in growths if each.slope}
    if lacking or not known:
        why = (
            f"expected {SHORTEST_SECONDS:.0f} s of samples without a restart of {', '.join(lacking) or 'what is ours'}"
        )
        return Figure.unmeasured(name, unit, f"{why}, got less; run longer")
    process, slope = max(known.items(), key=lambda each: each[1].high)
    others = "; ".join(f"{each} {it.value:.2f} ({it.low:.2f} to {it.high:.2f})" for each, it in known.items())
    about = f"the steepest, {process}, after the first fifth of the load; {others}"
    return Figure(name, unit, slope.value, slope.low, slope.high, about=about)


def _growths(evidence: Evidence, value: Callable[[Sample], float]) -> list[Growth]:
    began = min((each.began for each in evidence.blocks), default=0.0)
    ended = max((each.ended for each in evidence.blocks), default=0.0)
    since = began + FILLING_SHARE * (ended - began)
    if ended - began < SHORTEST_SECONDS:
        return []
    meters = meters_of(evidence.samples)
    return [Growth(name, _growth(meters.get(name), since, ended, value)) for name in OURS]


def _growth(meter: Meter | None, since: float, until: float, value: Callable[[Sample], float]) -> Slope | None:
    """Give the growth an hour over the longest stretch without a restart; None where that is short of the time."""
    stretch = _longest(meter.between(since, until)) if meter else ()
    if not stretch or stretch[-1].at - stretch[0].at < STRETCH_SHARE * (until - since):
        return None
    return slope_of(_binned(stretch, value))


def _longest(samples: Sequence[Sample]) -> Sequence[Sample]:
    cuts = [at for at, (before, after) in enumerate(pairwise(samples), 1) if restarted(before, after)]
    stretches = [samples[since:until] for since, until in pairwise([0, *cuts, len(samples)])]
    return max(stretches, key=len)


def _binned(samples: Sequence[Sample], value: Callable[[Sample], float]) -> list[tuple[float, float]]:
    """Give the medians of equal stretches of time, each at the hour of its middle."""
    first, length = samples[0].at, samples[-1].at - samples[0].at
    each = max(BIN_SECONDS, length / MOST_BINS)
    bins: dict[int, list[float]] = {}
    for sample in samples:
        bins.setdefault(int((sample.at - first) / each), []).append(value(sample))
    return [((number + 0.5) * each / _HOUR, median(values)) for number, values in sorted(bins.items())]


def _backlog(evidence: Evidence) -> Figure:
    """Count what waits once the load is over and drained: messages, events, calls that never succeeded.

    A failure that may still succeed is a call that has not: it is in their number.
    """
    ended = max((each.ended for each in evidence.blocks), default=0.0)
    if not evidence.backlog or evidence.backlog[-1].at < ended:
        return Figure.unmeasured("backlog_end", "count", "expected a look at what waits after the load, got none")
    last, done = evidence.backlog[-1], {each.id for each in evidence.runs if each.state == SUCCESS}
    if last.bus is None or not last.sinks:
        asked = "sinks" if last.bus is not None else "messages that wait on the bus"
        return Figure.unmeasured("backlog_end", "count", f"expected the number of {asked} after the load, got none")
    calls = sum(not each.malformed and each.id not in done for each in evidence.calls)
    parts = {"calls": calls, "on the bus": last.bus, **{f"for {sink}": count for sink, count in last.sinks.items()}}
    about = ", ".join(f"{count} {what}" for what, count in parts.items())
    return Figure("backlog_end", "count", sum(parts.values()), about=about)
