"""A dependency: what tasks lean on. It owns health with its evidence, what holds it shut, and the retry budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from orchestrator.domain.failures import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Health(StrEnum):
    """How a dependency is, as far as its evidence tells."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    DOWN = "down"
    RECOVERING = "recovering"


# The kinds of failure that speak of the dependency, not of the task, its input or its worker.
ITS_OWN: Final = frozenset({Kind.TRANSIENT, Kind.RATE_LIMITED, Kind.DEPENDENCY_DOWN})
UNWELL: Final = frozenset({Health.SUSPECT, Health.DOWN})


@dataclass(frozen=True, slots=True)
class Policy:
    """What is set for one dependency; times are seconds.

    Evidence loses half of its weight in `half_life`; below a volume of `minimum` runs a failure rate says nothing.
    `passes` in a row open the gate after a whole outage; after a partial one as many as a dependency that is as bad as
    it was would give by luck in `risk` of all cases. After `patience` a canary goes whatever the evidence says. A ramp
    begins with `first_window` redrives in flight, and never has more than `max_in_flight`. The
    budget grows by `budget_rate` redrives a second and by `budget_share` with each live success, up to `budget_burst`.
    """

    half_life: float = 30.0
    minimum: float = 5.0
    suspect_rate: float = 0.1
    down_rate: float = 0.5
    tolerated_rate: float = 0.05
    passes: int = 3
    risk: float = 0.01
    patience: float = 21_600.0
    live_for: float = 10.0
    first_window: float = 2.0
    max_in_flight: int = 1_000
    budget_rate: float = 100.0
    budget_burst: float = 100.0
    budget_share: float = 0.2
    probed: bool = False


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of all dependencies, by name; one that is not named has the default."""

    named: Mapping[str, Policy] = field(default_factory=dict)
    default: Policy = field(default_factory=Policy)

    def of(self, name: str) -> Policy:
        """Give the policy of a dependency."""
        return self.named.get(name, self.default)


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency as the ledger holds it.

    `successes`, `failures` and `live` (successes of ordinary runs) are decayed counts as of `seen_at`. `failed` and
    `passed` count without decay since it was healthy last, `passes` those that were good in a row; `live_at` is when
    ordinary runs were heard of last, `failed_at` when something failed. Nothing goes before `not_before`, which a
    Retry-After has set, or while it is held by a person. `tokens` are what the budget held at `filled_at`; None: full.
    """

    name: str
    health: Health = Health.HEALTHY
    why: str = "nothing speaks against it"
    since: datetime | None = None
    successes: float = 0.0
    failures: float = 0.0
    live: float = 0.0
    seen_at: datetime | None = None
    live_at: datetime | None = None
    failed_at: datetime | None = None
    failed: int = 0
    passed: int = 0
    passes: int = 0
    not_before: datetime | None = None
    tokens: float | None = None
    filled_at: datetime | None = None
    held_by: str | None = None
    held_reason: str | None = None
    held_at: datetime | None = None
    probe_at: datetime | None = None
    probe_note: str | None = None

    @property
    def unwell(self) -> bool:
        """Tell whether it is suspect or down."""
        return self.health in UNWELL
