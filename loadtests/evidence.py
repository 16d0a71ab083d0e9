"""What one run of a scenario left behind, as it was seen: the figures are made of this and of nothing else.

All moments are seconds of the monotonic clock that the processes of one machine share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from loadtests.locust_figures import Requests
    from loadtests.scenarios.scenario import FaultKind, Phase, Scenario


# Under this name the whole machine is sampled beside its processes: what others take of it is in it.
MACHINE: Final = "machine"


class Arm(StrEnum):
    """A worker that can have the calls: without the plugin, with it, with it and tracing to OTLP."""

    OFF = "off"
    ON = "on"
    TRACED = "traced"


@dataclass(frozen=True, slots=True)
class Block:
    """All calls went to one arm from `began` to `ended`."""

    name: str
    phase: int
    arm: Arm
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the front enqueued it: when it was meant to start, when it was sent, how long the model takes."""

    id: str
    block: str
    intended: float
    sent: float
    model_seconds: float
    malformed: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a call in a worker. `inside` is the wall time of the worker's child without the model's answer, the
    plugin's part included; `attempt` is the redrive's id, '-' for a first run. None is what had not come.
    """

    id: str
    attempt: str
    received: float | None
    began: float | None
    ended: float | None
    state: str | None
    inside: float | None = None
    received_for: float | None = None  # seconds that the worker's parent took over the message
    delayed: float = 0.0  # seconds of both, in which they were ready to run and had no processor


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the provider logged it: `trouble` is the fault that held, '-' where none did."""

    at: float
    id: str
    attempt: str
    status: int
    trouble: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault as it was made; `note` says what it did (a pid, a port)."""

    kind: FaultKind
    target: str
    phase: int
    began: float
    ended: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment: processor seconds so far, bytes resident, open handles; all children added."""

    at: float
    process: str
    cpu_seconds: float
    rss_bytes: int
    handles: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits at one moment: on the bus, calls unfinished, events not yet at each sink, failures by state."""

    at: float
    bus: int | None
    calls: int
    sinks: Mapping[str, int]
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Answered:
    """One request of a user as Locust saw it, from its intended start: seconds, and whether it was answered well."""

    at: float
    name: str
    seconds: float
    well: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run; what was not seen is empty.

    `first_retry`, `failures`, `releases` and `sinks` are the orchestrator's answers at the end, `settled` the sum
    of the outputs of `settle`; `accepted` are the ids in the event log, `stored` those at each sink, `costs` the
    warehouse's rows of model calls, `control` what the machine took for a fixed piece of work.
    `attempts` are the ledger's redrives, `settles` the outputs of `settle` one by one, `events` the event log's rows
    without their bodies (key, id, type, source), `receipts` the ids of the events that the telemetry's producer has
    receipts for, `results` the states that the result backend has of calls of which no run told its end.
    """

    run_id: str
    scenario: Scenario
    began_at: datetime
    ended_at: datetime
    began: float
    blocks: Sequence[Block] = ()
    calls: Sequence[Call] = ()
    runs: Sequence[Run] = ()
    asked: Sequence[Asked] = ()
    struck: Sequence[Struck] = ()
    samples: Sequence[Sample] = ()
    backlog: Sequence[Backlog] = ()
    answered: Sequence[Answered] = ()
    requests: Sequence[Requests] = ()
    first_retry: Mapping[str, Any] = field(default_factory=dict)
    failures: Sequence[Mapping[str, Any]] = ()
    releases: Sequence[Mapping[str, Any]] = ()
    settled: Mapping[str, int] = field(default_factory=dict)
    sinks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    accepted: Sequence[str] = ()
    stored: Mapping[str, Sequence[str]] = field(default_factory=dict)
    costs: Sequence[Mapping[str, Any]] = ()
    control: Sequence[Mapping[str, float]] = ()
    phases: Sequence[Phase] = ()
    problems: list[str] = field(default_factory=list)
    folder: str = ""
    attempts: Sequence[Mapping[str, Any]] = ()
    settles: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    receipts: Sequence[str] = ()
    results: Mapping[str, str] = field(default_factory=dict)
