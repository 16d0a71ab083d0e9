"""How the service answered its users: latencies from the intended start, errors, calls done a second."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Final

from loadtests.evidence import Arm
from loadtests.first_retry.figures import wilson
from loadtests.measuring.bootstrap import FEWEST_CLUSTERS, RESAMPLES, Interval, interval
from loadtests.measuring.clusters import Clusters
from loadtests.measuring.comparing import QUANTILES
from loadtests.measuring.turns import SUCCESS, Taken, first_runs, phases_of
from loadtests.measuring.windows import sorted_into, windows_of
from loadtests.scenarios.scenario import Bus, FaultKind, Link, PhaseKind
from loadtests.verdict.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from loadtests.evidence import Answered, Evidence, Struck

    # Gives the interval of a statistic of weighted clusters, of which there are so many.
    Drawing = Callable[[Callable[[Sequence[int]], float | None], int], Interval | None]

# A request that comes so soon after a fault of the service itself finds it starting.
STARTING_SECONDS: Final = 5.0
# A call that left the load so much after its intended start was held up by the load's own process.
LATE_SECONDS: Final = 0.1
OF_THE_SERVICE: Final = {FaultKind.ORCHESTRATOR_KILLED, FaultKind.DATABASE_RESTARTED, FaultKind.BROKER_RESTARTED}
# What Locust tells of runs has this before its name: they are no requests.
OF_RUNS: Final = "call, "
# A quantile of requests rests on at least one that was slower.
FEWEST_SLOWER: Final = 1
_MS: Final = 1000


def answering(evidence: Evidence, dice: Random, resamples: int = RESAMPLES) -> list[Figure]:
    """Give the figures of requests and calls; `resamples` is how often each interval's bootstrap draws."""
    drawing = partial(interval, dice=dice, resamples=resamples)
    return [
        *_latencies(
            "api", evidence, [(each.at, _waited(each)) for each in requests_of(evidence) if of_api(each)], drawing
        ),
        *_latencies("end_to_end", evidence, _calls(evidence), drawing),
        _errors(evidence),
        _throughput(evidence, drawing),
        _late(evidence),
    ]


def of_api(request: Answered) -> bool:
    """Tell whether a request went to the orchestrator, and not to the sample app that makes the calls."""
    return "/calls" not in request.name


def of_runs(request: Answered) -> bool:
    """Tell whether it is no request, but what Locust tells of a run."""
    return request.name.startswith(OF_RUNS)


def requests_of(evidence: Evidence) -> list[Answered]:
    """Give the requests of users, without those that fell into a fault which took the service itself away."""
    faults = [each for each in evidence.struck if each.kind in OF_THE_SERVICE or each.target == Link.DATABASE]
    return [each for each in _all_requests(evidence) if not _within(each.at, faults)]


def _waited(request: Answered) -> float:
    """Give what a request took; one that was refused, however quickly, is slower than all that were answered."""
    return request.seconds if request.well else math.inf


def _all_requests(evidence: Evidence) -> list[Answered]:
    return [each for each in evidence.answered if not of_runs(each)]


def _within(moment: float, faults: Sequence[Struck]) -> bool:
    return any(each.began <= moment < each.ended + STARTING_SECONDS for each in faults)


def _errors(evidence: Evidence) -> Figure:
    requests = requests_of(evidence)
    if not requests:
        return Figure.unmeasured("error_rate", "share", "expected requests of users, got none; see Locust's log")
    groups = {
        "the API": [each for each in requests if of_api(each)],
        "the sample app": [each for each in requests if not of_api(each)],
    }
    # Of calls there are many more: pooled with them, an API that refuses all that it is asked is hardly seen.
    share, of, worst = max((_refused(each), of, each) for of, each in groups.items() if each)
    bad, away = round(share * len(worst)), len(_all_requests(evidence)) - len(requests)
    about = f"requests to {of}, the worse of two; {away} left out that fell into a fault of the service itself"
    low, high = wilson(bad, len(worst))
    return Figure("error_rate", "share", share, low, high, len(worst), bad, len(worst), about)


def _refused(requests: Sequence[Answered]) -> float:
    return sum(not each.well for each in requests) / len(requests)


def _calm(evidence: Evidence) -> list[int]:
    """Give the phases without faults and with the bus up; all of them where there is none."""
    phases = phases_of(evidence)
    calm = [at for at, each in enumerate(phases) if not each.faults and each.bus is Bus.UP]
    return calm or list(range(len(phases)))


def _calls(evidence: Evidence) -> list[tuple[float, float]]:
    """Give, of the calls of a calm phase that had the plugin and succeeded at once, intended start and seconds."""
    calm = set(_calm(evidence))
    blocks = {each.name for each in evidence.blocks if each.arm is Arm.ON and each.phase in calm}
    runs = first_runs(evidence.runs)
    taken = [Taken(call, runs.get(call.id)) for call in evidence.calls if call.block in blocks]
    return [(each.call.intended, each.end_to_end) for each in taken if each.end_to_end is not None]


def _latencies(name: str, evidence: Evidence, found: Sequence[tuple[float, float]], drawing: Drawing) -> list[Figure]:
    """Give three quantiles of latencies, each with the interval of drawing whole windows of time."""
    grouped = sorted_into(windows_of(evidence), found, lambda each: each[0])
    windows = [[seconds for _, seconds in each] for each in grouped if each]
    ordered = Clusters(windows)
    return [_latency(f"{name}_{at}_ms", ordered, len(windows), share, drawing) for at, share in QUANTILES.items()]


def _latency(name: str, ordered: Clusters, windows: int, share: float, drawing: Drawing) -> Figure:
    if windows < FEWEST_CLUSTERS or len(ordered) * (1 - share) < FEWEST_SLOWER - 1e-9:
        return Figure.unmeasured(name, "ms", f"expected more than the {len(ordered)} that were measured; run longer")
    value = ordered.quantile(share, [1] * windows)
    found = drawing(lambda weights: ordered.quantile(share, weights), windows)
    if value is None or found is None:
        return Figure.unmeasured(name, "ms", "expected an interval, got none; run longer")
    if not math.isfinite(value):
        return Figure.unmeasured(name, "ms", "expected requests that are answered well, got too many that were not")
    low, high = (end * _MS if math.isfinite(end) else None for end in (found.low, found.high))
    return Figure(name, "ms", value * _MS, low, high, samples=len(ordered))


def _throughput(evidence: Evidence, drawing: Drawing) -> Figure:
    """Give the runs that succeeded, first ones and redrives, by the seconds in which they ended."""
    phases = phases_of(evidence)
    played = {block.phase for block in evidence.blocks}
    plain = [at for at, each in enumerate(phases) if each.kind is PhaseKind.LOAD and at in played]
    windows = windows_of(evidence, plain or None)
    done = [each for each in evidence.runs if each.state == SUCCESS and each.ended is not None]
    counts = [len(each) for each in sorted_into(windows, done, lambda run: run.ended or 0.0)]
    seconds = [each.seconds for each in windows]
    found = drawing(lambda weights: _rate(counts, seconds, weights), len(windows))
    value = _rate(counts, seconds, [1] * len(windows))
    if found is None or value is None:
        return Figure.unmeasured("throughput_per_second", "1/s", "expected a longer load; run longer")
    about = "runs that succeeded a second, of an open load: it tells what came, not what is possible"
    return Figure("throughput_per_second", "1/s", value, found.low, found.high, samples=sum(counts), about=about)


def _rate(counts: Sequence[int], seconds: Sequence[float], weights: Sequence[int]) -> float | None:
    length = sum(weight * each for weight, each in zip(weights, seconds, strict=True))
    return sum(weight * each for weight, each in zip(weights, counts, strict=True)) / length if length else None


def _late(evidence: Evidence) -> Figure:
    calls = evidence.calls
    if not calls:
        return Figure.unmeasured("arrivals_late", "share", "expected calls, got none; see Locust's log")
    late = sum(each.sent - each.intended > LATE_SECONDS for each in calls)
    low, high = wilson(late, len(calls))
    about = f"calls that left more than {LATE_SECONDS} s after their intended start"
    return Figure("arrivals_late", "share", late / len(calls), low, high, len(calls), late, len(calls), about)
