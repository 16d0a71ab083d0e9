"""What the HTTP status of a dependency's answer tells (RFC 9110, 15; RFC 6585; Cloudflare's 520 to 530)."""

from __future__ import annotations

from typing import Final

from orchestrator.domain.classify.verdict import Case, Verdict
from orchestrator.domain.failures import Kind

TOO_MANY_REQUESTS: Final = 429
CLIENT_ERRORS: Final = range(400, 500)
# No wait mends these: who asks is not known, or asks for what is not there. A 403 may be a limit (as GitHub has it).
_WHATEVER_THE_WAIT: Final = frozenset({401, 404})
SERVER_ERRORS: Final = range(500, 600)
# The first that holds the status counts. 408 and 425 ask for the same again, 423 and 424 name somebody else's lock or
# fault; 460, 498 and 499 are those of proxies.
_ANSWERS: Final = (
    ((TOO_MANY_REQUESTS,), Kind.RATE_LIMITED, ""),
    ((409,), Kind.UNKNOWN, ": a lock that passes, or a conflict that stays"),
    ((521, 523, 530), Kind.DEPENDENCY_DOWN, ": its proxy cannot reach it"),
    ((501, 505, 506, 508, 510), Kind.PERMANENT, ": it never serves this request"),
    ((408, 421, 423, 424, 425, 460, 498, 499), Kind.TRANSIENT, ""),
    (SERVER_ERRORS, Kind.TRANSIENT, ""),
    (CLIENT_ERRORS, Kind.PERMANENT, ": the same request would fail again"),
)


def by_retry_after(case: Case) -> Verdict | None:
    """Take the dependency's word that it will serve later, where the status alone does not say so.

    With a 5xx the answer keeps its own kind: the wait is respected in any case. So does what no wait mends.
    """
    status, wait = case.facts.status, case.facts.retry_after
    if wait is None or status == TOO_MANY_REQUESTS or status in _WHATEVER_THE_WAIT:
        return None
    if status is not None and status not in CLIENT_ERRORS:
        return None
    answered = f"answered {status} and asked" if status is not None else "asked"
    return Verdict(Kind.RATE_LIMITED, f"the dependency {answered} to wait for {wait:g} s")


def by_status(case: Case) -> Verdict | None:
    """Read the status; None where there is none, or where it tells of no error."""
    status = case.facts.status
    for statuses, kind, why in _ANSWERS:
        if status in statuses:
            return Verdict(kind, f"the dependency answered {status}{why}")
    return None
