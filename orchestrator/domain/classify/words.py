"""What the words of a message tell, where types and codes say little. Plain phrases: looking for them is linear."""

from __future__ import annotations

from typing import Final

from orchestrator.domain.classify.verdict import Case, Verdict
from orchestrator.domain.failures import Kind

LONGEST: Final = 4_200

# In this order: of a message that says several things, the first that is listed counts.
_PHRASES: Final = (
    (Kind.DEPENDENCY_DOWN, "the dependency itself has no memory left", ("oom command not allowed",)),
    (Kind.DEPENDENCY_DOWN, "the dependency takes no more connections", (
        "too many connections", "too many clients already", "connection slots are reserved",
        "max number of clients reached", "sorry, too many",
    )),
    (Kind.TRANSIENT, "a deadlock or a lock that passes", (
        "deadlock detected", "deadlock found when trying to get lock", "could not serialize access",
        "lock wait timeout exceeded", "database is locked", "database table is locked", "could not obtain lock",
    )),
    (Kind.DEPENDENCY_DOWN, "the dependency is being stopped or started", (
        "the database system is starting up", "the database system is shutting down",
        "the database system is in recovery mode", "the database system is not yet accepting connections",
        "terminating connection due to administrator command", "loading the dataset in memory", "clusterdown",
        "masterdown", "connection_forced",
    )),
    (Kind.DEPENDENCY_DOWN, "the dependency takes no connections", (
        "connection refused", "no route to host", "network is unreachable", "name or service not known",
        "temporary failure in name resolution", "nodename nor servname provided", "could not translate host name",
        "failed to resolve", "certificate verify failed", "can't connect to mysql server", "circuit breaker is open",
    )),
    (Kind.RATE_LIMITED, "the dependency limits the rate of requests", (
        "too many requests", "rate limit", "rate_limit", "ratelimit", "throttling", "request was throttled",
        "quota exceeded", "resource has been exhausted", "please slow down",
    )),
    (Kind.RESOURCE, "the worker ran out of memory, disk or file handles", (
        "out of memory", "cannot allocate memory", "no space left on device", "too many open files",
    )),
    (Kind.PERMANENT, "the database refuses this statement or its data", (
        "no such table", "no such column", "syntax error at or near", "violates unique constraint",
        "violates foreign key constraint", "violates not-null constraint", "violates check constraint",
        "unique constraint failed", "foreign key constraint failed", "not null constraint failed",
        "password authentication failed", '" does not exist', "wrongtype operation",
    )),
    (Kind.TRANSIENT, "the connection broke or was too slow", (
        "connection reset", "connection aborted", "broken pipe", "server closed the connection unexpectedly",
        "connection already closed", "connection was closed", "connection closed by server",
        "lost connection to mysql server", "server has gone away", "eof detected", "remote end closed connection",
        "canceling statement due to", "timed out", "timeout expired", "temporarily unavailable", "read-only replica",
    )),
)  # fmt: skip


def by_words(case: Case) -> Verdict | None:
    """Look for phrases that libraries and servers use, in the message and in those of the exceptions beneath."""
    texts = [text[:LONGEST].casefold() for text in case.texts]
    for kind, why, phrases in _PHRASES:
        said = next((phrase for phrase in phrases if any(phrase in text for text in texts)), None)
        if said:
            return Verdict(kind, f"the message says {said!r}: {why}")
    return None
