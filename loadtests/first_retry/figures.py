"""The figures of a contestant: for each kind of fault and in sum, with the intervals that belong to them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import sqrt
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from loadtests.first_retry.plan import Kind
from loadtests.first_retry.record import FIRST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.first_retry.record import Failed, Record

# Of the normal distribution, for an interval of 95 %.
Z: Final = 1.959964
LEAST_OF_RECOVERABLE: Final = 0.99
LEAST_OF_RELEASED: Final = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval (Wilson, 1927); None where there is nothing to take a share of."""

    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None

    @classmethod
    def make(cls, count: int, of: int) -> Share:
        """Compute it."""
        if of == 0:
            return cls(count, of, None, None, None)
        low, high = wilson(count, of)
        return cls(count, of, round(count / of, 4), round(low, 4), round(high, 4))


@dataclass(frozen=True, slots=True)
class Figures:
    """One row. Waits are minutes of the world, from the end of the trouble to the success; `into` are the requests of
    retries that were sent while the trouble held, `recovered` the calls that succeeded in the end.
    """

    kind: str
    failed: int
    released: int
    first_succeeded: int
    never_released: int
    recovered: int
    wait_p50: float | None
    wait_p95: float | None
    duplicates: int
    into: int
    probes: int


@dataclass(frozen=True, slots=True)
class Account:
    """All rows of a contestant, what they come to, and where its records contradict each other."""

    contestant: str
    settings: str
    calls: int
    rows: list[Figures]
    total: Figures
    of_recoverable: Share
    of_released: Share
    never_released_though_recoverable: int
    permanent_never_released: int
    disagreements: list[str]

    @property
    def missed(self) -> list[str]:
        """Name the goals that were missed."""
        recoverable, released = self.of_recoverable, self.of_released
        found = {
            f"first retries: {recoverable.count} of {recoverable.of} recoverable": (recoverable.share or 0.0)
            < LEAST_OF_RECOVERABLE,
            f"first retries: {released.count} of {released.of} released": (released.share or 0.0) < LEAST_OF_RELEASED,
            f"{self.never_released_though_recoverable} recoverable never released": (
                self.never_released_though_recoverable > 0
            ),
        }
        return [what for what, missed in found.items() if missed]


def wilson(count: int, of: int) -> tuple[float, float]:
    """Give the interval of a share: count of `of`, 95 %."""
    share, square = count / of, Z * Z
    middle = share + square / (2 * of)
    spread = Z * sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, (middle - spread) / (1 + square / of)), min(1.0, (middle + spread) / (1 + square / of))


def account_of(record: Record, contestant: str, settings: str, ledger: Mapping[str, int] | None = None) -> Account:
    """Sum a record up. `ledger` are the orchestrator's own counts, None without one, to be held against it."""
    failed, twice = record.failed(), record.twice()
    kinds = {kind: [each for each in failed if each.kind is kind] for kind in Kind}
    into, probes = _into(record), _probes(record)
    scale = record.plan.scale
    rows = [_row(kind, found, Heard(twice, into[kind], probes[kind]), scale) for kind, found in kinds.items()]
    total = _row("sum", failed, Heard(twice, into.total(), probes.total()), scale)
    recoverable = [each for each in failed if each.recoverable]
    return Account(
        contestant=contestant,
        settings=settings,
        calls=len(record.plan.calls),
        rows=rows,
        total=total,
        of_recoverable=Share.make(sum(each.first_succeeded for each in recoverable), len(recoverable)),
        of_released=Share.make(total.first_succeeded, total.released),
        never_released_though_recoverable=sum(each.first_retry is None for each in recoverable),
        permanent_never_released=sum(each.first_retry is None for each in failed if not each.recoverable),
        disagreements=[*record.disagreements()[:10], *_against(total, ledger)],
    )


@dataclass(frozen=True, slots=True)
class Heard:
    """What is told beside the failures of a kind: runs that succeeded again by call, and the provider's counts."""

    twice: Mapping[int, int]
    into: int
    probes: int


def _row(kind: str, found: Sequence[Failed], heard: Heard, scale: float) -> Figures:
    waits = sorted(each.wait * scale / 60 for each in found if each.wait is not None)
    return Figures(
        kind=str(kind),
        failed=len(found),
        released=sum(each.first_retry is not None for each in found),
        first_succeeded=sum(each.first_succeeded for each in found),
        never_released=sum(each.first_retry is None for each in found),
        recovered=sum(each.succeeded_at is not None for each in found),
        wait_p50=round(median(waits), 1) if waits else None,
        wait_p95=round(p95(waits), 1) if waits else None,
        duplicates=sum(heard.twice.get(each.number, 0) for each in found),
        into=heard.into,
        probes=heard.probes,
    )


def p95(values: Sequence[float]) -> float:
    """Give the 95th percentile of one value or more."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def _into(record: Record) -> Counter[Kind]:
    """Count the retries that the provider got while the trouble held, by its kind."""
    return Counter(
        each.trouble for each in record.requests if each.trouble and each.number is not None and each.run != FIRST
    )


def _probes(record: Record) -> Counter[Kind]:
    """Count the probes, by the kind of trouble that their dependency has in this run."""
    kinds = {each.dependency: each.kind for each in record.plan.windows}
    asked = (kinds.get(each.dependency) for each in record.requests if each.number is None)
    return Counter(kind for kind in asked if kind)


def _against(total: Figures, ledger: Mapping[str, int] | None) -> list[str]:
    """Hold the ledger's counts against those of worker and provider; one that it does not tell is a disagreement."""
    if ledger is None:
        return []
    names = {"first_attempts": "released", "first_successes": "first_succeeded", "duplicates": "duplicates"}
    theirs = {name: getattr(total, ours) for name, ours in names.items()}
    return [
        f"ledger: {name} {ledger.get(name, 'missing')}, worker {theirs[name]}"
        for name in names
        if ledger.get(name) != theirs[name]
    ]
