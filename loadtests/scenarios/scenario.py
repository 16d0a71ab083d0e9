"""A scenario: which load, which phases with which faults, on which engines, held against which gates. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Engines(StrEnum):
    """What it runs on: SQLite files alone, or RabbitMQ, PostgreSQL and Redis, started for the run on free ports."""

    EMBEDDED = "embedded"
    REAL = "real"


class Bus(StrEnum):
    """How the plugin finds the event bus during a phase."""

    UP = "up"
    SLOW = "slow"
    DOWN = "down"


class PhaseKind(StrEnum):
    """What a phase is for: to compare the arms in blocks, to make calls fail and recover, or to load alone."""

    OVERHEAD = "overhead"
    RECOVERY = "recovery"
    LOAD = "load"


class FaultKind(StrEnum):
    """What is broken, for real: the provider, a link through our proxy, a worker, or a server of the run's own."""

    PROVIDER_DOWN = "provider_down"  # answers 503
    PROVIDER_RATE_LIMITED = "provider_rate_limited"  # answers 429 with Retry-After
    PROVIDER_SLOW = "provider_slow"
    PROVIDER_KILLED = "provider_killed"  # SIGKILL; started again at the end of the fault
    LINK_LATENCY = "link_latency"
    LINK_CUT = "link_cut"
    LINK_BLACK_HOLE = "link_black_hole"
    LINK_BANDWIDTH = "link_bandwidth"
    CHILD_KILLED = "child_killed"  # SIGKILL to a child of the worker's pool
    WORKER_KILLED = "worker_killed"  # SIGKILL to the whole worker; started again
    WORKER_STOPPED = "worker_stopped"  # SIGSTOP, SIGCONT at the end of the fault
    ORCHESTRATOR_KILLED = "orchestrator_killed"
    DATABASE_RESTARTED = "database_restarted"
    BROKER_RESTARTED = "broker_restarted"


class Link(StrEnum):
    """A connection that goes through a proxy of ours."""

    PROVIDER = "provider"  # worker -> provider
    BUS = "bus"  # plugin -> event bus; of the embedded bus, its file locked in the place of a proxy
    DATABASE = "database"  # orchestrator -> PostgreSQL; real engines only


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a phase: from `at` for `lasts` seconds after the phase began. `amount` is what its kind makes of it:
    seconds of latency or Retry-After, bytes a second; `target` is the link of a link's fault; `only` the engines that
    it can be made on.
    """

    kind: FaultKind
    at: float
    lasts: float
    target: Link | None = None
    amount: float | None = None
    only: Engines | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a scenario. In an overhead phase the arms take turns in blocks, `traced` with OTLP switched on.

    `rate` and `telemetry_rate` are arrivals a second in the place of the scenario's own.
    """

    name: str
    kind: PhaseKind
    seconds: float
    bus: Bus = Bus.UP
    traced: bool = False
    block_seconds: float = 2.0
    rate: float | None = None
    faults: tuple[Fault, ...] = ()
    telemetry_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """How the knee is looked for: from a first rate upwards by a factor, each step so many seconds, then halving."""

    first_rate: float
    factor: float
    step_seconds: float
    most_rate: float
    halvings: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. Rates are arrivals a second, open: they do not wait for answers. `malformed` is the share of calls
    that never succeed, `children` are each worker's. With a `search` it looks for the knee, its phases are one step.
    """

    name: str
    about: str
    engines: Engines
    seed: int
    rate: float
    phases: tuple[Phase, ...]
    gates: str = "gates"
    operators: int = 1
    telemetry_rate: float = 0.0
    malformed: float = 0.0
    warm_up_seconds: float = 3.0
    drain_seconds: float = 60.0
    search: Search | None = None
    children: int = 4

    @property
    def seconds(self) -> float:
        """Give how long it loads, without start, drain and account."""
        return self.warm_up_seconds + sum(each.seconds for each in self.phases)
