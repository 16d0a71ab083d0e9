"""The declared mix of faults, drawn by a seed: which call meets what, and when each dependency is in trouble.

Everything is in seconds of the run; `scale` says how many seconds of the world one of them stands for. The same file
and seed give the same plan in every process.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.resources import files
from math import exp, log
from random import Random
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULT: Final = "data/first_retry.toml"
STEADY: Final = "steady"
DATABASE: Final = "database"
QUIET_SECONDS: Final = 4.0
P90: Final = 0.9
# Longer outages than the 95th percentile would not fit into a run.
HIGHEST_QUANTILE: Final = 0.95
MINUTE: Final = 60.0


class Kind(StrEnum):
    """What can be wrong with a call."""

    OUTAGE = "outage"
    PARTIAL = "partial"
    RATE_LIMITED = "rate_limited"
    DEADLOCK = "deadlock"
    OOM = "oom"
    PERMANENT = "permanent"
    POISON = "poison"
    # No call is planned so: its first run failed, and the provider's log has no trouble for it.
    UNEXPLAINED = "unexplained"


# A call of these kinds succeeds once its dependency is back (its lock gone, its worker replaced); of the others, never.
# Nothing is wrong with what failed unexplained: run again, it succeeds.
RECOVERABLE: Final = frozenset(
    {Kind.OUTAGE, Kind.PARTIAL, Kind.RATE_LIMITED, Kind.DEADLOCK, Kind.OOM, Kind.UNEXPLAINED}
)


@dataclass(frozen=True, slots=True)
class Window:
    """A dependency's trouble: from `begins` until `ends`. `error_rate`: the share of calls that meet it."""

    dependency: str
    kind: Kind
    begins: float
    ends: float
    error_rate: float = 1.0

    def holds(self, at: float) -> bool:
        """Tell whether it holds at a moment."""
        return self.begins <= at < self.ends


@dataclass(frozen=True, slots=True)
class Call:
    """One call, sent at a moment; `kind` is a fault of its own, None where only its dependency's can hit it.

    `lock` is how long a deadlock lasts after it was met first.
    """

    number: int
    dependency: str
    at: float
    kind: Kind | None = None
    lock: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run."""

    seed: int
    scale: float
    seconds: float
    drain_seconds: float
    windows: tuple[Window, ...]
    calls: tuple[Call, ...]

    @property
    def dependencies(self) -> list[str]:
        """Name every dependency."""
        return sorted({each.dependency for each in self.calls})

    def window(self, dependency: str, at: float) -> Window | None:
        """Give the trouble that a dependency is in at a moment."""
        return next((each for each in self.windows if each.dependency == dependency and each.holds(at)), None)

    def text(self) -> str:
        """Write it down for other processes."""
        return json.dumps(asdict(self))


def read(text: str) -> Plan:
    """Read what `Plan.text` wrote."""
    told = json.loads(text)
    windows = tuple(Window(**each | {"kind": Kind(each["kind"])}) for each in told["windows"])
    calls = tuple(Call(**each | {"kind": each["kind"] and Kind(each["kind"])}) for each in told["calls"])
    return Plan(**told | {"windows": windows, "calls": calls})


def declared(path: Path | None = None) -> dict[str, Any]:
    """Read a file that declares a mix; the shipped one when left out."""
    text = path.read_text() if path else files("loadtests").joinpath(DEFAULT).read_text()
    return tomllib.loads(text)


def draw(mix: Mapping[str, Any], seed: int) -> Plan:
    """Draw a plan: the dice decide when and in which order, the declared mix how much of each."""
    dice = Random(seed)
    windows = tuple(_windows(mix, dice))
    streams = [*_streams(mix, windows, dice), *_own_faults(mix, dice)]
    streams += _permanent(mix, windows, streams, dice)
    ordered = sorted(streams, key=lambda each: each.at)
    calls = tuple(Call(number, each.dependency, each.at, each.kind, each.lock) for number, each in enumerate(ordered))
    return Plan(seed, mix["scale"], mix["seconds"], mix["drain_seconds"], windows, calls)


def outage_minutes(quantile: float, median: float, p90: float) -> float:
    """Give a quantile of the lognormal distribution that has this median and this 90th percentile."""
    normal = NormalDist()
    sigma = log(p90 / median) / normal.inv_cdf(P90)
    return exp(log(median) + sigma * normal.inv_cdf(quantile))


def durations(told: Mapping[str, Any], dice: Random) -> list[float]:
    """Draw the minutes of each outage: one from each of as many equal parts of the distribution, so that a few of them
    have its shape.
    """
    number = told["dependencies"]
    quantiles = [min((each + dice.random()) / number, HIGHEST_QUANTILE) for each in range(number)]
    drawn = [outage_minutes(max(each, 0.01), told["median_minutes"], told["p90_minutes"]) for each in quantiles]
    dice.shuffle(drawn)
    return drawn


def _windows(mix: Mapping[str, Any], dice: Random) -> Iterator[Window]:
    for number, minutes in enumerate(durations(mix["outage"], dice)):
        yield _placed(mix, f"model-{number}", Kind.OUTAGE, minutes, dice)
    partial, limited = mix["partial"], mix["rate_limited"]
    for number in range(partial["dependencies"]):
        yield _placed(mix, f"shaky-{number}", Kind.PARTIAL, partial["minutes"], dice)
    for number in range(limited["dependencies"]):
        part = mix["seconds"] / limited["windows"]
        lasts = limited["minutes"] * MINUTE / mix["scale"]
        for turn in range(limited["windows"]):
            begins = turn * part + dice.uniform(QUIET_SECONDS, max(QUIET_SECONDS, part - lasts))
            yield Window(f"quota-{number}", Kind.RATE_LIMITED, begins, begins + lasts)


def _placed(mix: Mapping[str, Any], name: str, kind: Kind, minutes: float, dice: Random) -> Window:
    lasts = minutes * MINUTE / mix["scale"]
    begins = dice.uniform(QUIET_SECONDS, max(QUIET_SECONDS, mix["seconds"] - lasts))
    return Window(name, kind, begins, begins + lasts, mix[kind].get("error_rate", 1.0))


def _streams(mix: Mapping[str, Any], windows: tuple[Window, ...], dice: Random) -> Iterator[Call]:
    """Send calls to each dependency all the time, at its rate."""
    for dependency, kind in {each.dependency: each.kind for each in windows}.items():
        distance = 1 / mix[kind]["calls_per_second"]
        for number in range(int(mix["seconds"] / distance)):
            yield Call(0, dependency, (number + dice.random()) * distance)


def _own_faults(mix: Mapping[str, Any], dice: Random) -> Iterator[Call]:
    for kind, dependency in ((Kind.DEADLOCK, DATABASE), (Kind.OOM, STEADY), (Kind.POISON, STEADY)):
        for _ in range(mix[kind]["calls"]):
            lock = dice.uniform(0, mix[kind].get("lock_seconds", 0)) / mix["scale"]
            yield Call(0, dependency, dice.uniform(0, mix["seconds"]), kind, lock)


def _permanent(mix: Mapping[str, Any], windows: tuple[Window, ...], others: list[Call], dice: Random) -> Iterator[Call]:
    """Make so many malformed calls that they are the declared share of all failures, to the dependencies of outages."""
    expected = sum(_chance(each, windows) for each in others)
    share = mix["permanent"]["share"]
    names = sorted({each.dependency for each in windows if each.kind is Kind.OUTAGE})
    for _ in range(round(expected * share / (1 - share))):
        yield Call(0, dice.choice(names), dice.uniform(0, mix["seconds"]), Kind.PERMANENT)


def _chance(call: Call, windows: tuple[Window, ...]) -> float:
    """Give the chance that a call fails in its first run."""
    if call.kind:
        return 1.0
    met = (each.error_rate for each in windows if each.dependency == call.dependency and each.holds(call.at))
    return next(met, 0.0)
