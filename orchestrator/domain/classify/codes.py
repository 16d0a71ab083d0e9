"""What a dependency's own error codes tell: of providers' APIs, gRPC, AMQP, the operating system, and SQLSTATE.

Sources: the error pages of OpenAI, Anthropic, AWS and Google; RFC 9110; AMQP 0-9-1, 1.2; PostgreSQL 17, appendix A.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from orchestrator.domain.classify.verdict import Case, Verdict
from orchestrator.domain.failures import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

# Neither waiting nor the same call again mends it: everything of this dependency is held, and one canary asks at times.
SPENT: Final = "the quota or the credit is spent: nothing gets through before somebody raises it or its period ends"
PAYMENT_REQUIRED: Final = 402
_SPENT_CODES: Final = frozenset({
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error", "insufficient_credits",
    "insufficient_balance", "servicequotaexceededexception", "access_terminated", "payment_required",
})  # fmt: skip
_SPENT_WORDS: Final = (
    "insufficient_quota", "exceeded your current quota", "credit balance is too low", "insufficient credits",
    "insufficient balance", "billing hard limit",
)  # fmt: skip

_RATE_LIMITED: Final = frozenset({
    "rate_limit_exceeded", "rate_limit_error", "rate_limit", "ratelimitexceeded", "too_many_requests", "tokens",
    "requests", "slow_down", "slowdown", "throttling", "throttlingexception", "throttledexception",
    "throttled", "requestthrottled", "requestthrottledexception", "toomanyrequestsexception", "toomanyrequests",
    "requestlimitexceeded", "bandwidthlimitexceeded", "limitexceededexception", "priorrequestnotcomplete",
    "provisionedthroughputexceededexception", "transactioninprogressexception", "ec2throttledexception",
    "throttlingerror", "resource_exhausted",
})  # fmt: skip
_DOWN: Final = frozenset({
    "unavailable", "engine_overloaded", "modelnotreadyexception", "amqp-320", "amqp-506",
    "econnrefused", "ehostunreach", "enetunreach", "enetdown", "ehostdown",
})  # fmt: skip
_TRANSIENT: Final = frozenset({
    "server_error", "api_error", "overloaded_error", "timeout_error", "internal_error", "internal_server_error",
    "internalerror", "internalfailure", "internalservererror", "internalserverexception", "serviceunavailable",
    "serviceunavailableexception", "requesttimeout", "requesttimeoutexception", "modeltimeoutexception",
    "modelerrorexception", "operationaborted", "transactionconflictexception", "lock_timeout",
    "deadline_exceeded", "aborted", "internal", "cancelled", "amqp-311", "amqp-313", "amqp-405", "amqp-541",
    "econnreset", "econnaborted", "epipe", "etimedout",
})  # fmt: skip
_RESOURCE: Final = frozenset({"enospc", "edquot", "emfile", "enfile", "enomem"})
_PERMANENT: Final = frozenset({
    "invalid_request_error", "authentication_error", "permission_error", "not_found_error", "request_too_large",
    "invalid_api_key", "model_not_found", "context_length_exceeded", "content_filter", "content_policy_violation",
    "accessdenied", "accessdeniedexception", "validationexception", "validationerror", "expiredtoken",
    "expiredtokenexception", "invalidclienttokenid", "signaturedoesnotmatch", "unrecognizedclientexception",
    "resourcenotfoundexception", "conditionalcheckfailedexception", "nosuchkey", "nosuchbucket",
    "invalid_argument", "not_found", "already_exists", "permission_denied", "unauthenticated", "failed_precondition",
    "out_of_range", "unimplemented", "data_loss", "amqp-402", "amqp-403", "amqp-404", "amqp-406", "amqp-501",
    "amqp-502", "amqp-503", "amqp-504", "amqp-505", "amqp-530", "amqp-540", "enoent", "eacces", "eisdir", "enotdir",
})  # fmt: skip
_CODES: Final = (
    (Kind.RATE_LIMITED, _RATE_LIMITED, "the dependency limits the rate of requests"),
    (Kind.DEPENDENCY_DOWN, _DOWN, "the dependency takes no requests"),
    (Kind.TRANSIENT, _TRANSIENT, "a fault of the dependency or of the way to it"),
    (Kind.RESOURCE, _RESOURCE, "the worker ran out of disk, memory or file handles"),
    (Kind.PERMANENT, _PERMANENT, "the same request would fail again"),
)
_BY_CODE: Final = {code: (kind, why) for kind, codes, why in _CODES for code in codes}

_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")
_STATES: Final[Mapping[str, tuple[Kind, str]]] = {
    "40001": (Kind.TRANSIENT, "transactions got in each other's way"),
    "40P01": (Kind.TRANSIENT, "a deadlock, which the database broke"),
    "40002": (Kind.PERMANENT, "a constraint refused the data"),
    "55P03": (Kind.TRANSIENT, "a lock could not be had in time"),
    "55006": (Kind.TRANSIENT, "the object is in use"),
    "57014": (Kind.TRANSIENT, "the statement was cancelled, or took too long"),
    "57P04": (Kind.PERMANENT, "the database was dropped"),
    "57P05": (Kind.TRANSIENT, "the connection was idle for too long"),
    "25006": (Kind.TRANSIENT, "the server is read-only, as in a failover"),
    "25P03": (Kind.TRANSIENT, "the transaction was idle for too long"),
    "53400": (Kind.PERMANENT, "a configured limit of the database was exceeded"),
    "08001": (Kind.DEPENDENCY_DOWN, "the connection could not be made"),
    "08004": (Kind.DEPENDENCY_DOWN, "the server refused the connection"),
    "08P01": (Kind.PERMANENT, "client and server do not speak the same protocol"),
}
_CLASSES: Final[Mapping[str, tuple[Kind, str]]] = {
    "08": (Kind.TRANSIENT, "the connection broke"),
    "40": (Kind.TRANSIENT, "the transaction was rolled back"),
    "53": (Kind.DEPENDENCY_DOWN, "the database has no more connections, memory or disk to give"),
    "57": (Kind.DEPENDENCY_DOWN, "the database is being stopped or started"),
    "58": (Kind.DEPENDENCY_DOWN, "the database's own disk or system fails"),
    "HV": (Kind.TRANSIENT, "the database could not ask another one"),
}
_OF_THE_STATEMENT: Final = frozenset({
    "0A", "20", "21", "22", "23", "25", "26", "28", "2B", "3D", "3F", "42", "44", "54", "55", "P0",
})  # fmt: skip


def by_spent_quota(case: Case) -> Verdict | None:
    """Tell a spent quota, which stays spent, from a rate limit, which passes: both come as 429."""
    code = (case.facts.code or "").casefold()
    if code in _SPENT_CODES or case.facts.status == PAYMENT_REQUIRED:
        return Verdict(Kind.DEPENDENCY_DOWN, f"{case.facts.code or case.facts.status}: {SPENT}")
    return None


def by_spent_words(case: Case) -> Verdict | None:
    """Know a spent quota by the words that providers use for it, whatever code and status say beside them."""
    said = next((words for text in case.texts for words in _SPENT_WORDS if words in text.casefold()), None)
    return Verdict(Kind.DEPENDENCY_DOWN, f"{said!r}: {SPENT}") if said else None


def by_sqlstate(case: Case) -> Verdict | None:
    """Read a SQLSTATE: the very state first, then its class."""
    code = case.facts.code or ""
    if not _SQLSTATE.fullmatch(code):
        return None
    found = _STATES.get(code) or _CLASSES.get(code[:2])
    if found is None and code[:2] in _OF_THE_STATEMENT:
        found = (Kind.PERMANENT, "the database refuses this statement or its data")
    return Verdict(found[0], f"SQLSTATE {code}: {found[1]}") if found else None


def by_code(case: Case) -> Verdict | None:
    """Know the error codes of APIs, brokers and the operating system."""
    code, status = case.facts.code or "", case.facts.status
    found = _BY_CODE.get(code.casefold())
    answered = f"{code} with status {status}" if status is not None else code
    return Verdict(found[0], f"{answered}: {found[1]}") if found else None
