"""Probes: small questions that tell whether a dependency answers, asked with nobody's work at stake."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.ids import derive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

EVERY: Final = 10.0
TIMEOUT: Final = 5.0
# Up to so much of the distance is taken off, so that the probes of many dependencies do not fall together.
SPREAD: Final = 0.1
# A month, in seconds: who asks for more has slipped in its unit, and is not believed.
LONGEST_WAIT: Final = 30 * 86_400.0
SUCCESSES: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """One request; it passes with a status in `expect` (any 2xx when empty). Follows no redirect.

    `headers` may hold credentials, and so may the URL: neither is ever shown. `every` and `timeout` are seconds.
    """

    url: str = field(repr=False)
    method: str = "GET"
    expect: tuple[int, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: str | None = None
    every: float = EVERY
    timeout: float = TIMEOUT

    def expects(self, status: int) -> bool:
        """Tell whether an answer with this status passes."""
        return status in (self.expect or SUCCESSES)


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """A connection; it passes once the other side has accepted it. `every` and `timeout` are seconds."""

    host: str
    port: int
    every: float = EVERY
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class SqlProbe:
    """A statement that reads; it passes once its first row, or that there is none, has come.

    The URL may hold a password and is never shown. `every` and `timeout` are seconds.
    """

    url: str = field(repr=False)
    statement: str = "SELECT 1"
    every: float = EVERY
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class TaskProbe:
    """A task that a worker runs as a canary; it passes once that run has succeeded. Times are seconds.

    The worker tells how the run ended through its plugin: without it nothing is told, and the probe fails.
    """

    task: str
    queue: str = "celery"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    every: float = EVERY
    timeout: float = TIMEOUT


ProbeSpec = HttpProbe | TcpProbe | SqlProbe | TaskProbe


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe told: why it passed or not, how many seconds it took, and how many it was asked to wait."""

    passed: bool
    why: str
    seconds: float = 0.0
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class ProbeEnd:
    """How the run of a task that was sent as a probe ended, as its worker told."""

    passed: bool
    why: str
    at: datetime
    retry_after: float | None = None


def run_of(task_id: str) -> UUID:
    """Give the id under which the task of a probe runs: its worker tells the run's end under it.

    Made of the task's id, so that whoever hears of a run can tell a probe's from an attempt's without a look-up.
    """
    return derive("probe", task_id)


def is_probe(attempt_id: UUID | None, task_id: str) -> bool:
    """Tell whether a run was that of a probe, and not of an attempt: no work is lost with it."""
    return attempt_id is not None and attempt_id == run_of(task_id)


def next_probe_at(spec: ProbeSpec, result: ProbeResult, now: datetime, jitter: float) -> datetime:
    """Tell when the next probe goes, after one that ended now: not before the time that the other side asked for."""
    distance = spec.every * (1 - SPREAD * jitter)
    return now + timedelta(seconds=max(distance, believed(result).retry_after or 0.0))


def believed(result: ProbeResult) -> ProbeResult:
    """Leave out a wait that no side can mean."""
    meant = result.retry_after is None or 0 < result.retry_after <= LONGEST_WAIT
    return result if meant else replace(result, retry_after=None)


def shown(spec: ProbeSpec) -> str:
    """Name a probe without anything that may be a secret: of a URL its scheme, host and port."""
    match spec:
        case HttpProbe():
            return f"{spec.method} {_place(spec.url)}"
        case TcpProbe():
            return f"tcp://{spec.host}:{spec.port}"
        case SqlProbe():
            return f"sql {_place(spec.url)}"
        case TaskProbe():
            return f"task {spec.task} on queue {spec.queue}"


def _place(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # An @ behind the authority may be that of a password with a slash in it.
    host = authority.rpartition("@")[2] if "@" in authority or "@" not in rest else "(hidden)"
    return f"{scheme}://{host}"
