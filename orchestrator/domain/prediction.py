"""Prediction: the chance that first retries of some failures succeed if they are released now, and how sure that is.

What was tried before is counted, each outcome with a weight that fades, and added to a prior of half a success and half
a failure (the beta-binomial model with Jeffreys' prior, 1946). Outcomes of the same signature count fully; those of
other failures of the dependency, and of the same kind elsewhere, together as much as a few, so that they speak where
nothing nearer does (a prior from related groups: Gelman et al., Bayesian Data Analysis, 3rd ed., section 5.1, here with
fixed weights). The interval is Wilson's score interval (1927) of the counts, for 90 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Final

from orchestrator.domain.dependencies import ITS_OWN, Health
from orchestrator.domain.failures import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from orchestrator.domain.dependencies import Dependency

# Of several groups, so much must be known for a number to be told.
KNOWN: Final = 0.9
# The normal distribution's 95th percentile: an interval of 90 %.
Z: Final = 1.644854
JEFFREYS: Final = 0.5
LASTING: Final = frozenset({Kind.PERMANENT, Kind.POISON})


@dataclass(frozen=True, slots=True)
class Model:
    """What is assumed; times are seconds.

    An outcome loses half of its weight in `half_life`, and is not looked at beyond `horizon`. Outcomes of the
    dependency, and of the kind, count for at most `of_dependency` and `of_kind`. A kind that lasts counts as so many
    failures (`lasting`), a dependency that is down as `down` for what is forced through, of which `canaries` go before
    one has come back well. It is enough where the weights come to `least`, and the interval is no wider than `widest`.
    """

    half_life: float = 21_600.0
    horizon: float = 7 * 86_400.0
    of_dependency: float = 6.0
    of_kind: float = 3.0
    lasting: float = 10.0
    down: float = 4.0
    canaries: int = 4
    least: float = 3.0
    widest: float = 0.5


@dataclass(frozen=True, slots=True)
class Tried:
    """How one redrive went: of which signature, dependency and kind, when it ended, whether it was its failure's first,
    and whether it was forced past the gate.
    """

    signature: str
    dependency: str | None
    kind: Kind
    at: datetime
    succeeded: bool
    first: bool = True
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Failures that look alike: `again` of them were redriven since they failed, and failed once more."""

    signature: str
    dependency: str | None
    kind: Kind
    failures: int = 1
    again: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """Outcomes that were counted: `successes` and `failures` are their faded weights."""

    count: int = 0
    succeeded: int = 0
    newest: datetime | None = None
    successes: float = 0.0
    failures: float = 0.0

    @property
    def weight(self) -> float:
        """Give what they come to."""
        return self.successes + self.failures


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for a group, or for several. Without `enough` there is no number, and `says` tells why."""

    enough: bool
    probability: float | None
    low: float | None
    high: float | None
    says: str
    evidence: tuple[str, ...]
    failures: int = 1


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under which a group would go: `dependency` as it is now, with its evidence aged; `forced` past its gate."""

    now: datetime
    dependency: Dependency | None = None
    forced: bool = False

    @property
    def into_the_fire(self) -> bool:
        """Tell whether it goes now to a dependency that is down, and not behind a canary."""
        return self.forced and self.dependency is not None and self.dependency.health is Health.DOWN


def tally(tried: Iterable[Tried], now: datetime, model: Model) -> Tally:
    """Count outcomes, each with half the weight of one that is `half_life` younger; none beyond the horizon."""
    seen = [each for each in tried if 0 <= _age(each.at, now) <= model.horizon]
    weights = [(0.5 ** (_age(each.at, now) / model.half_life), each.succeeded) for each in seen]
    return Tally(
        count=len(seen),
        succeeded=sum(each.succeeded for each in seen),
        newest=max((each.at for each in seen), default=None),
        successes=sum(weight for weight, succeeded in weights if succeeded),
        failures=sum(weight for weight, succeeded in weights if not succeeded),
    )


def _age(at: datetime, now: datetime) -> float:
    # Clocks of workers differ: what ended a moment ahead has just ended.
    return max((now - at).total_seconds(), 0.0)


def predict(group: Group, tried: Sequence[Tried], around: Circumstances, model: Model | None = None) -> Prediction:
    """Predict how the first retries of a group go, from what is known of others; pure.

    What is forced to a dependency that is down sends its canaries into that; the others go once one has come back well,
    as those do that wait behind the gate.
    """
    model = model or Model()
    if not around.into_the_fire or around.dependency is None:
        return _behind_the_gate(group, tried, around, model)
    canaries = min(group.failures, model.canaries)
    now = _forced_through(replace(group, failures=canaries), tried, around, around.dependency, model)
    if canaries == group.failures:
        return now
    return together([now, _behind_the_gate(replace(group, failures=group.failures - canaries), tried, around, model)])


def _behind_the_gate(group: Group, tried: Sequence[Tried], around: Circumstances, model: Model) -> Prediction:
    levels = _levels(group, [each for each in tried if each.first and not each.forced], around.now, model)
    own, near, far = (counted for _, counted in levels)
    lasting = model.lasting if group.kind in LASTING else 0.0
    successes = JEFFREYS + own.successes + _capped(near, model.of_dependency, near.successes)
    failures = JEFFREYS + own.failures + _capped(near, model.of_dependency, near.failures) + lasting
    successes += _capped(far, model.of_kind, far.successes)
    failures += _capped(far, model.of_kind, far.failures)
    weight = successes + failures - 2 * JEFFREYS
    evidence = [_told(what, counted, around.now) for what, counted in levels if counted.count]
    return _answer(group, successes, failures, weight, [*evidence, *_beside(group, around)], model)


def _forced_through(
    group: Group, tried: Sequence[Tried], around: Circumstances, dependency: Dependency, model: Model
) -> Prediction:
    """Predict for canaries that go now to a dependency that is down: by what its runs meet at present.

    Outcomes of before it went down tell of another time.
    """
    since, lasting = dependency.since, model.lasting if group.kind in LASTING else 0.0
    here = [each for each in tried if each.first and each.dependency == group.dependency]
    counted = tally([each for each in here if since is None or each.at >= since], around.now, model)
    successes = JEFFREYS + dependency.successes + counted.successes
    failures = JEFFREYS + dependency.failures + counted.failures + model.down + lasting
    what = f"first retries to {dependency.name} since it went down"
    told = [_told(what, counted, around.now)] if counted.count else []
    weight = successes + failures - 2 * JEFFREYS
    return _answer(group, successes, failures, weight, [*told, *_beside(group, around)], model)


def _levels(group: Group, tried: Sequence[Tried], now: datetime, model: Model) -> list[tuple[str, Tally]]:
    """Count by nearness: of this signature, of its dependency otherwise, of its kind elsewhere; each outcome once."""

    def of_signature(each: Tried) -> bool:
        return each.signature == group.signature and each.kind == group.kind

    def of_dependency(each: Tried) -> bool:
        alike = each.kind == group.kind or (each.kind in ITS_OWN and group.kind in ITS_OWN)
        return group.dependency is not None and each.dependency == group.dependency and alike

    def of_kind(each: Tried) -> bool:
        return each.kind == group.kind

    tests: list[tuple[str, Callable[[Tried], bool]]] = [
        ("first retries of this signature", of_signature),
        (f"first retries of other failures of {group.dependency}", of_dependency),
        (f"first retries of other {group.kind} failures elsewhere", of_kind),
    ]
    left, found = list(tried), []
    for what, test in tests:
        found.append((what, tally([each for each in left if test(each)], now, model)))
        left = [each for each in left if not test(each)]
    return found


def _capped(counted: Tally, most: float, part: float) -> float:
    return part * min(1.0, most / counted.weight) if counted.weight else 0.0


def _answer(  # noqa: PLR0913, PLR0917 - what an answer is made of
    group: Group, successes: float, failures: float, weight: float, evidence: Sequence[str], model: Model
) -> Prediction:
    total = successes + failures
    probability = successes / total
    low, high = interval(successes, total)
    told = tuple(evidence)
    if weight < model.least:
        return _unknown(group, f"they come to {weight:.1f} outcomes, and {model.least:g} are wanted", told)
    if high - low > model.widest:
        return _unknown(group, f"anything from {low:.0%} to {high:.0%} would fit", told)
    says = f"About {probability:.0%} of first retries would succeed ({low:.0%} to {high:.0%})."
    return Prediction(True, probability, low, high, says, told, group.failures)  # noqa: FBT003 - it is enough


def _unknown(group: Group, why: str, evidence: tuple[str, ...]) -> Prediction:
    says = f"Not enough evidence: {why if evidence else 'nothing like it has been redriven lately'}."
    return Prediction(False, None, None, None, says, evidence, group.failures)  # noqa: FBT003 - it is not enough


def interval(successes: float, total: float) -> tuple[float, float]:
    """Give the interval for a share (Wilson, 1927) of counts that need not be whole; 0 to 1 where there are none."""
    if total <= 0:
        return 0.0, 1.0
    share, spread = successes / total, Z * Z / total
    middle = (share + spread / 2) / (1 + spread)
    half = Z * sqrt(max(share * (1 - share), 0.0) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def _beside(group: Group, around: Circumstances) -> list[str]:
    """Tell what is known beside outcomes: of the dependency, of the kind, of these failures themselves."""
    told = []
    dependency = around.dependency
    if dependency is not None and dependency.health is not Health.HEALTHY:
        since = f" since {dependency.since:%Y-%m-%d %H:%M} UTC" if dependency.since else ""
        told.append(f"{dependency.name} is {dependency.health}{since}: {dependency.why}")
        told.append(
            "forced: a canary goes now, whatever its state, and the rest once one has come back well"
            if around.forced
            else "they are held until a canary has come back well: this is about those that go then"
        )
    if group.kind in LASTING:
        told.append(f"their kind is {group.kind}: the same message fails each time, unless it or the code is changed")
    if group.again:
        told.append(f"{group.again} of {group.failures} were redriven before and failed: of those it says less")
    return told


def _told(what: str, counted: Tally, now: datetime) -> str:
    newest = f", the newest {ago(counted.newest, now)}" if counted.newest else ""
    return f"{counted.succeeded} of the last {counted.count} {what} succeeded{newest}"


def ago(at: datetime, now: datetime) -> str:
    """Say how long ago something was, in the unit that fits."""
    seconds = _age(at, now)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return f"{int(seconds)} seconds ago" if seconds >= 1 else "just now"


def together(predictions: Sequence[Prediction]) -> Prediction:
    """Give the answer over several groups: the shares by their failures. Where one is not known, neither is the whole,
    unless it is at most one failure in ten.
    """
    known = [each for each in predictions if each.enough and each.probability is not None]
    total, counted = sum(each.failures for each in predictions), sum(each.failures for each in known)
    evidence = tuple(dict.fromkeys(line for each in predictions for line in each.evidence))
    if not known or counted < KNOWN * total:
        what = f"of {total - counted:,} of {total:,} failures nobody can tell" if total else "no failure would go"
        says = f"Not enough evidence: {what}."
        return Prediction(False, None, None, None, says, evidence, total)  # noqa: FBT003 - it is not enough
    probability = sum((each.probability or 0.0) * each.failures for each in known) / counted
    low = sum((each.low or 0.0) * each.failures for each in known) / counted
    high = sum((each.high or 0.0) * each.failures for each in known) / counted
    says = f"About {probability:.0%} of first retries would succeed ({low:.0%} to {high:.0%})."
    return Prediction(True, probability, low, high, says, evidence, total)  # noqa: FBT003 - it is enough
