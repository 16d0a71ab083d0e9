"""The ways in which a task can end badly, one case for each message that goes such a way, and what must come of it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from orchestrator.domain.failures import Kind, Way
from tests.integration.capture.messages import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Mapping


class Group(Enum):
    """Cases of one group share a worker."""

    LIVING = "a worker that goes on"
    MEMORY = "a worker that leaves after a MemoryError"
    KILLED = "a worker whose main process is killed"
    COLD = "a worker that is shut down cold"


class End(Enum):
    """How a case ends once what was broken is mended."""

    REDRIVEN = "redriven: succeeded"
    REDELIVERED = "redelivered by the broker: recovered, never redriven"
    FAILS_AGAIN = "redriven: fails the same way, still one failure"
    REFUSED = "not redriven: a person who asks for it is told why"
    NO_FAILURE = "no failure"


@dataclass(frozen=True)
class Case:
    """One message. `way` and `kind` are None where nothing may be reported; `message` is what `publish` is given."""

    name: str
    task: str
    way: Way | None
    kind: Kind | None
    end: End = End.REDRIVEN
    group: Group = Group.LIVING
    message: Mapping[str, Any] = field(default_factory=dict)


CASES = (
    Case("exception", "capture.raises", Way.EXCEPTION, Kind.TRANSIENT),
    Case("wrong_arguments", "capture.takes_nothing", Way.EXCEPTION, Kind.PERMANENT, End.FAILS_AGAIN),
    Case("child_killed", "capture.dies", Way.CHILD_KILLED, Kind.WORKER_LOST),
    Case("child_killed_late", "capture.dies_late", Way.CHILD_KILLED, Kind.WORKER_LOST),
    Case("reject_on_worker_lost", "capture.dies_twice", Way.CHILD_KILLED, Kind.WORKER_LOST, End.REDELIVERED),
    Case("system_exit", "capture.exits", Way.SYSTEM_EXIT, Kind.WORKER_LOST),
    Case("time_limit", "capture.too_long", Way.TIME_LIMIT, Kind.RESOURCE),
    Case("memory_error", "capture.short_of_memory", Way.MEMORY_ERROR, Kind.RESOURCE, group=Group.MEMORY),
    Case("memory_sibling", "capture.waits", Way.CHILD_KILLED, Kind.WORKER_LOST, group=Group.MEMORY),
    Case("memory_sibling_finishes", "capture.waits", None, None, End.NO_FAILURE, Group.MEMORY),
    Case("unknown_task", "capture.deployed_late", Way.UNKNOWN_TASK, Kind.PERMANENT),
    Case(
        "refused_type", "capture.work", Way.REFUSED, Kind.POISON,
        message={
            "body": pickle.dumps([["é"], {}, {}]),
            "content_type": "application/x-python-serialize",
            "content_encoding": "binary",
        },
    ),
    Case(
        "no_headers", "unknown", Way.REFUSED, Kind.POISON, End.FAILS_AGAIN,
        message={"headers": {}, "body": b'{"is":  "no task"}'},
    ),
    Case("undecodable", "capture.work", Way.UNDECODABLE, Kind.POISON, End.FAILS_AGAIN, message={"body": NOT_JSON}),
    Case("expired", "capture.work", Way.EXPIRED, Kind.PERMANENT, End.REFUSED),
    Case("revoked", "capture.work", None, None, End.NO_FAILURE),
    Case("worker_killed", "capture.waits", Way.WORKER_KILLED, Kind.WORKER_LOST, group=Group.KILLED),
    Case("killed_child_finishes", "capture.outlives", None, None, End.NO_FAILURE, Group.KILLED),
    Case(
        "worker_killed_late", "capture.waits_late", Way.WORKER_KILLED, Kind.WORKER_LOST, End.REDELIVERED, Group.KILLED,
    ),
    Case("cold_shutdown", "capture.waits", Way.COLD_SHUTDOWN, Kind.WORKER_LOST, group=Group.COLD),
    Case("delivery_limit", "capture.dies_limited", Way.DELIVERY_LIMIT, Kind.POISON, message={"queue": "limited"}),
)  # fmt: skip
BY_NAME = {case.name: case for case in CASES}


@dataclass(frozen=True)
class Row:
    """One of the 14 ways, and the cases that show it."""

    number: int
    title: str
    cases: tuple[str, ...]


ROWS = (
    Row(1, "exception, wrong arguments", ("exception", "wrong_arguments")),
    Row(2, "child SIGKILLed, early ack and acks_late", ("child_killed", "child_killed_late")),
    Row(3, "the same, reject_on_worker_lost", ("reject_on_worker_lost",)),
    Row(4, "SystemExit", ("system_exit",)),
    Row(5, "hard time limit", ("time_limit",)),
    Row(6, "MemoryError, and what ran beside it", ("memory_error", "memory_sibling", "memory_sibling_finishes")),
    Row(7, "unknown task", ("unknown_task",)),
    Row(8, "refused content type, no headers", ("refused_type", "no_headers")),
    Row(9, "undecodable body", ("undecodable",)),
    Row(10, "expired; revoked is none", ("expired", "revoked")),
    Row(11, "worker SIGKILLed, early ack", ("worker_killed", "killed_child_finishes")),
    Row(12, "worker SIGKILLed, acks_late", ("worker_killed_late",)),
    Row(13, "cold shutdown in flight", ("cold_shutdown",)),
    Row(14, "delivery limit of a quorum queue", ("delivery_limit",)),
)
ONLY_RABBITMQ = frozenset({14})
