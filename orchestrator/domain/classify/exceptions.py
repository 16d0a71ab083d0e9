"""What the types of an exception and of those beneath it tell.

A name without a module means a type of that name in any module. Names are those of requests 2.34, httpx 0.28, urllib3
2.8, aiohttp 3.14, openai 3.57, anthropic 2.14, botocore 1.44, psycopg 3.3, redis 8.1, pymongo 4.20, SQLAlchemy 2.1,
kombu 5.7 and Celery 5.7.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Final

from orchestrator.domain.classify.verdict import Case, Verdict, short
from orchestrator.domain.failures import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LOST: Final = ("WorkerLostError", "Terminated")
_OUT_OF_RESOURCES: Final = (
    "MemoryError", "TimeLimitExceeded", "SoftTimeLimitExceeded", "torch.OutOfMemoryError",
    "torch.cuda.OutOfMemoryError",
)  # fmt: skip
_UNREADABLE: Final = (
    "kombu.exceptions.DecodeError", "kombu.exceptions.ContentDisallowed", "celery.exceptions.InvalidTaskError",
)  # fmt: skip
_CIRCUIT: Final = ("CircuitBreakerError", "CircuitOpenError", "CircuitBrokenError")

_LIMITED: Final = (
    "RateLimitError", "RateLimitExceeded", "RateLimitExceededError", "TooManyRequests", "TooManyRequestsError",
    "ThrottlingException", "ThrottledException", "Throttled", "ThrottlingError", "ResourceExhausted", "FloodWaitError",
    "RetryAfter", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "MaxConnectionsError",
)  # fmt: skip
_REFUSED: Final = (
    "ConnectionRefusedError", "NewConnectionError", "ConnectError", "EndpointConnectionError", "gaierror",
    "NameResolutionError", "ClientConnectorError", "ClientConnectorDNSError", "ServerSelectionTimeoutError",
    "NoBrokersAvailable", "BusyLoadingError", "MasterDownError", "ClusterDownError", "MasterNotFoundError",
    "SlaveNotFoundError", "SSLCertVerificationError", "CannotConnectNow", "TooManyConnections", "ProxyConnectionError",
    "AdminShutdown", "CrashShutdown", "TooManyConnectionsError", "CannotConnectNowError",
    "redis.exceptions.OutOfMemoryError",
)  # fmt: skip
_BROKEN: Final = (
    "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError", "RemoteDisconnected", "ProtocolError",
    "RemoteProtocolError", "IncompleteRead", "IncompleteReadError", "ReadError", "WriteError", "CloseError",
    "ChunkedEncodingError", "ServerDisconnectedError", "ClientOSError", "ClientPayloadError",
    "ConnectionClosedError", "ConnectionLost", "Timeout", "TimeoutError", "ConnectTimeout", "ReadTimeout",
    "WriteTimeout", "PoolTimeout", "ConnectTimeoutError", "ReadTimeoutError", "ServerTimeoutError", "NetworkTimeout",
    "APITimeoutError", "DeadlineExceeded", "DeadlockDetected", "SerializationFailure", "LockNotAvailable",
    "AutoReconnect", "NotPrimaryError", "WaitQueueTimeoutError", "ReadOnlyError", "TryAgainError", "OverloadedError",
    "ServiceUnavailableError", "InternalServerError", "SSLEOFError", "SSLZeroReturnError", "ConnectionForced",
    "RecoverableConnectionError", "RecoverableChannelError",
)  # fmt: skip

# What these say is little: they are asked once the words of the message have been.
_SOMETHING_BROKE: Final = (
    "ConnectionError", "APIConnectionError", "OperationalError", "InterfaceError", "SSLError", "HTTPClientError",
    "ClientConnectionError", "MaxRetryError", "NetworkError", "TransportError", "IrrecoverableConnectionError",
    "DBAPIError",
)  # fmt: skip
_WRONG: Final = (
    "ValueError", "TypeError", "KeyError", "IndexError", "AttributeError", "AssertionError", "ZeroDivisionError",
    "NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "NotImplementedError", "RecursionError",
    "OverflowError", "SyntaxError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError", "LookupError",
    "UnpicklingError", "FileNotFoundError", "PermissionError", "IsADirectoryError", "NotADirectoryError",
    "IntegrityError", "ProgrammingError", "DataError", "NotSupportedError", "UniqueViolation", "ParamValidationError",
    "NoCredentialsError", "PartialCredentialsError", "NoRegionError", "AuthenticationError", "PermissionDeniedError",
    "BadRequestError", "UnprocessableEntityError", "NoPermissionError", "InvalidURL", "MissingSchema", "InvalidSchema",
    "UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects", "EncodeError", "NotRegistered",
    "DuplicateKeyError",
)  # fmt: skip


def _table(*groups: tuple[Kind, Iterable[str], str]) -> Mapping[str, tuple[Kind, str]]:
    return {name: (kind, why) for kind, names, why in groups for name in names}


_ANYWHERE: Final = (
    _table((Kind.WORKER_LOST, _LOST, "the worker was killed while it ran the task")),
    _table((Kind.RESOURCE, _OUT_OF_RESOURCES, "the task ran out of time or memory")),
    _table((Kind.POISON, _UNREADABLE, "the message cannot be read")),
    _table((Kind.DEPENDENCY_DOWN, _CIRCUIT, "the task's own circuit breaker keeps calls from the dependency")),
)
_PLAIN: Final = _table(
    (Kind.RATE_LIMITED, _LIMITED, "the dependency limits the rate of requests"),
    (Kind.DEPENDENCY_DOWN, _REFUSED, "the dependency takes no connections"),
    (Kind.TRANSIENT, _BROKEN, "the connection broke or was too slow"),
)
_VAGUE: Final = _table((Kind.TRANSIENT, _SOMETHING_BROKE, "the connection broke or was too slow"))
_CODE: Final = _table((Kind.PERMANENT, _WRONG, "the task's code or its input is wrong"))
_MISTAKES: Final = frozenset(f"builtins.{name}" for name in _WRONG if hasattr(builtins, name))


def by_mistake(case: Case) -> Verdict | None:
    """Know a mistake in the code or its input, where no answer is told and nothing lies beneath but further mistakes.

    Asked before the words of the message, in which the input may stand.
    """
    facts = case.facts
    if facts.status is not None or facts.code is not None or facts.retry_after is not None:
        return None
    return _first(case.types, _CODE) if _MISTAKES.issuperset(case.types) else None


def by_type(case: Case) -> Verdict | None:
    """Know the types that say by themselves what broke.

    Some tell wherever they stand in the chain. Of the others the one furthest beneath is the cause: an application's
    own error, raised from a client's, raised from the refused connection.
    """
    deepest_last = case.types
    for table in _ANYWHERE:
        if verdict := _first(deepest_last, table):
            return verdict
    return _first(reversed(deepest_last), _PLAIN)


def by_vague_type(case: Case) -> Verdict | None:
    """Know the types that say little: something with a connection before a mistake in the code.

    A mistake may well be met while a broken connection is handled, and the other way round a missing cache entry.
    """
    return _first(reversed(case.types), _VAGUE) or _first(case.types, _CODE)


def _first(names: Iterable[str], table: Mapping[str, tuple[Kind, str]]) -> Verdict | None:
    for name in names:
        if found := table.get(name) or table.get(short(name)):
            return Verdict(found[0], f"{short(name)}: {found[1]}")
    return None
