"""Classification: what kind of failure this is, and why. It happens here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.domain.failures import Kind

if TYPE_CHECKING:
    from orchestrator.domain.failures import ExceptionFacts

TOO_MANY_REQUESTS: Final = 429
REQUEST_TIMEOUT: Final = 408
CLIENT_ERRORS: Final = range(400, 500)
SERVER_ERRORS: Final = range(500, 600)

LOST: Final = ("WorkerLostError", "Terminated")
OUT_OF_RESOURCES: Final = ("MemoryError", "TimeLimitExceeded", "SoftTimeLimitExceeded")
UNDECODABLE: Final = ("DecodeError", "ContentDisallowed", "UnpicklingError", "InvalidTaskError")
REFUSED: Final = ("ConnectionRefusedError", "NewConnectionError")
TRANSIENT: Final = (
    "ConnectionResetError", "ConnectionError", "ConnectTimeout", "ReadTimeout", "Timeout", "TimeoutError",
    "BrokenPipeError", "RemoteDisconnected", "ProtocolError", "DeadlockDetected", "OperationalError",
)  # fmt: skip
PROGRAMMING: Final = (
    "ValueError", "TypeError", "KeyError", "IndexError", "AttributeError", "AssertionError", "ZeroDivisionError",
    "NameError", "ImportError", "ModuleNotFoundError", "NotImplementedError", "UnicodeDecodeError",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """A kind, with the reason that an operator reads."""

    kind: Kind
    why: str


def classify(facts: ExceptionFacts) -> Verdict:
    """Name the kind of a failure: what the provider answered tells more than the exception's type, so it leads."""
    return _by_status(facts) or _by_type(facts) or Verdict(Kind.UNKNOWN, f"no rule knows {facts.type}")


def _by_status(facts: ExceptionFacts) -> Verdict | None:
    status = facts.status
    if status is None:
        return None
    if status == TOO_MANY_REQUESTS:
        return Verdict(Kind.RATE_LIMITED, "the dependency answered 429")
    if status in SERVER_ERRORS or status == REQUEST_TIMEOUT:
        return Verdict(Kind.TRANSIENT, f"the dependency answered {status}")
    if status in CLIENT_ERRORS:
        return Verdict(Kind.PERMANENT, f"the dependency answered {status}: the same request would fail again")
    return None


def _by_type(facts: ExceptionFacts) -> Verdict | None:
    names = [name.rpartition(".")[2] for name in (facts.type, *facts.chain)]
    for kind, known, why in _TYPES:
        found = next((name for name in names if name in known), None)
        if found:
            return Verdict(kind, f"{found}: {why}")
    return None


_TYPES: Final = (
    (Kind.WORKER_LOST, LOST, "the worker was killed while it ran the task"),
    (Kind.RESOURCE, OUT_OF_RESOURCES, "the task ran out of time or memory"),
    (Kind.POISON, UNDECODABLE, "the message cannot be read"),
    (Kind.DEPENDENCY_DOWN, REFUSED, "the dependency refuses connections"),
    (Kind.TRANSIENT, TRANSIENT, "the connection broke or was too slow"),
    (Kind.PERMANENT, PROGRAMMING, "the task's code or its input is wrong"),
)
