"""What happened over time, thinned out to what a plot can show: seconds since the run began."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeVar

from loadtests.measuring.turns import SUCCESS, first_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from loadtests.evidence import Backlog, Evidence, Sample

Point = TypeVar("Point")
MOST_POINTS: Final = 240
MB: Final = 2**20
# The states of failures that still wait for something: the broker, a release, an outcome.
OPEN: Final = frozenset({"redelivery_pending", "held", "released"})


def series_of(evidence: Evidence) -> dict[str, Any]:
    """Give latency, backlog and resources over time; each list has one number or null for each of its `at`."""
    width = bucket_seconds(evidence)
    return {
        "bucket_seconds": width,
        "latency": {
            "calls": _latency(_calls(evidence), evidence.began, width),
            "api": _latency(_api(evidence), evidence.began, width),
        },
        "backlog": _backlog(evidence.backlog, evidence.began, width),
        "resources": _resources(evidence.samples, evidence.began, width),
    }


def bucket_seconds(evidence: Evidence) -> float:
    """Give the width of a bucket: whole seconds, so that the run makes at most 240 of them."""
    moments = [each.sent for each in evidence.calls] + [each.at for each in evidence.samples]
    return float(max(1, math.ceil((max(moments, default=evidence.began) - evidence.began) / MOST_POINTS)))


def _calls(evidence: Evidence) -> Iterable[tuple[float, float | None]]:
    """Give each call's intended start and the seconds to the end of its first run; None where that was no success."""
    first = first_runs(evidence.runs)
    for call in evidence.calls:
        if call.malformed:
            continue
        own = first.get(call.id)
        ended = own.ended if own and own.state == SUCCESS else None
        yield call.intended, None if ended is None else ended - call.intended


def _api(evidence: Evidence) -> Iterable[tuple[float, float | None]]:
    for each in evidence.answered:
        if not each.name.startswith("call,") and "/calls" not in each.name:
            yield each.at, each.seconds if each.well else None


def _latency(points: Iterable[tuple[float, float | None]], began: float, width: float) -> dict[str, Any]:
    """Give quantiles in milliseconds and counts by bucket; `failed` are those without a latency."""
    buckets = _by_bucket(points, lambda point: point[0], began, width)
    well = {place: sorted(s for _, s in each if s is not None) for place, each in buckets.items()}
    return {
        "at": [place * width for place in buckets],
        "count": [len(each) for each in buckets.values()],
        "failed": [len(buckets[place]) - len(well[place]) for place in buckets],
        "p50_ms": [_ms(each[(len(each) - 1) // 2]) if each else None for each in well.values()],
        "p95_ms": [_ms(_p95(each)) for each in well.values()],
    }


def _backlog(samples: Sequence[Backlog], began: float, width: float) -> dict[str, Any]:
    """Give the most that waited in each bucket, by what waited."""
    buckets = _by_bucket(samples, lambda each: each.at, began, width)
    waiting = {place: [_waiting(each) for each in found] for place, found in buckets.items()}
    names = sorted({name for found in waiting.values() for each in found for name in each})
    lines = {name: [max((e.get(name, 0) for e in found), default=0) for found in waiting.values()] for name in names}
    return {"at": [place * width for place in buckets], "lines": lines}


def _waiting(sample: Backlog) -> dict[str, int]:
    bus = {} if sample.bus is None else {"bus": sample.bus}
    sinks = {f"sink {name}": pending for name, pending in sample.sinks.items()}
    failures = sum(count for state, count in sample.failures.items() if state in OPEN)
    return {**bus, "calls": sample.calls, "open failures": failures, **sinks}


def _resources(samples: Sequence[Sample], began: float, width: float) -> dict[str, Any]:
    by_process: dict[str, list[Sample]] = defaultdict(list)
    for each in sorted(samples, key=lambda sample: sample.at):
        by_process[each.process].append(each)
    return {process: _process(found, began, width) for process, found in sorted(by_process.items())}


def _process(samples: Sequence[Sample], began: float, width: float) -> dict[str, Any]:
    """Give processors used, resident MB and handles by bucket, from the last sample of each."""
    buckets = _by_bucket(samples, lambda each: each.at, began, width)
    last = [found[-1] for found in buckets.values()]
    before = [samples[0], *last]
    return {
        "at": [place * width for place in buckets],
        "processors": [_used(one, two) for one, two in zip(before, last, strict=False)],
        "rss_mb": [round(each.rss_bytes / MB, 1) for each in last],
        "handles": [each.handles for each in last],
    }


def _used(one: Sample, two: Sample) -> float | None:
    """Give the processors that were busy between two samples; None where the process was another by then."""
    passed, used = two.at - one.at, two.cpu_seconds - one.cpu_seconds
    return round(used / passed, 3) if passed > 0 and used >= 0 else None


def _by_bucket(
    points: Iterable[Point], at: Callable[[Point], float], began: float, width: float
) -> Mapping[int, list[Point]]:
    buckets: dict[int, list[Point]] = defaultdict(list)
    for point in points:
        if at(point) >= began:
            buckets[int((at(point) - began) // width)].append(point)
    return dict(sorted(buckets.items()))


def _p95(durations: Sequence[float]) -> float | None:
    """Give the least duration that 95 % of them do not exceed; None of nothing."""
    return sorted(durations)[math.ceil(0.95 * len(durations)) - 1] if durations else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
