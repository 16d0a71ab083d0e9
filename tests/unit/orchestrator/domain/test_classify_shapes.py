"""From an exception as a library raises it, through what a worker tells of it, to its kind and the rule that told."""

from __future__ import annotations

from datetime import UTC, datetime
from traceback import format_exception
from typing import Any

import pytest

from eventbus.facts import facts_of
from orchestrator.domain.classify import Case, explain
from orchestrator.domain.failures import ExceptionFacts, Kind, Way
from tests.shapes import GrpcError, answer, anthropic_error, client_error, openai_error, raised, refused, through

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DOWN, LIMITED, TRANSIENT, PERMANENT = Kind.DEPENDENCY_DOWN, Kind.RATE_LIMITED, Kind.TRANSIENT, Kind.PERMANENT
PG_REFUSED = 'connection failed: connection to server at "127.0.0.1", port 45539 failed: Connection refused'
SPENT = "You exceeded your current quota, please check your plan and billing details."
CREDIT = "Your credit balance is too low to access the Anthropic API."

SHAPES: dict[str, tuple[Exception, Kind, str]] = {
    "requests, refused": (
        through("requests.exceptions.ConnectionError", "urllib3.exceptions.MaxRetryError",
                "urllib3.exceptions.NewConnectionError", beneath=refused()), DOWN, "error-code"),
    "requests, unknown host": (
        through("requests.exceptions.ConnectionError", "urllib3.exceptions.MaxRetryError",
                "urllib3.exceptions.NameResolutionError", "socket.gaierror"), DOWN, "exception-type"),
    "requests, slow": (
        through("requests.exceptions.ReadTimeout", "urllib3.exceptions.ReadTimeoutError", beneath=TimeoutError()),
        TRANSIENT, "exception-type"),
    "requests, 503": (
        raised("requests.exceptions.HTTPError", "503", response=answer(503, retry_after="30")),
        TRANSIENT, "http-status"),
    "httpx, refused": (through("httpx.ConnectError", "httpcore.ConnectError"), DOWN, "exception-type"),
    "httpx, cut off while connecting": (
        through("httpx.ConnectError", beneath=ConnectionResetError(104, "reset")), TRANSIENT, "error-code"),
    "httpx, broken beneath a client of another library": (
        through("shop.ConnectError", "httpx.ReadError"), TRANSIENT, "exception-type"),
    "httpx, 404": (raised("httpx.HTTPStatusError", "404", response=answer(404)), PERMANENT, "http-status"),
    "httpx, in an error of the application": (
        through("shop.ProviderError", "httpx.ConnectError", "httpcore.ConnectError"), DOWN, "exception-type"),
    "openai, refused": (
        through("openai.APIConnectionError", "httpx2.ConnectError", "httpcore2.ConnectError"), DOWN, "exception-type"),
    "openai, slow": (
        through("openai.APITimeoutError", "httpx2.ReadTimeout", "httpcore2.ReadTimeout"), TRANSIENT, "exception-type"),
    "openai, limited": (
        openai_error("RateLimitError", 429, "rate_limit_exceeded", "tokens", "Rate limit reached"),
        LIMITED, "error-code"),
    "openai, spent": (
        openai_error("RateLimitError", 429, "insufficient_quota", "insufficient_quota", SPENT), DOWN, "spent-quota"),
    "openai, 500": (openai_error("InternalServerError", 500, None, "server_error", "no"), TRANSIENT, "error-code"),
    "openai, too long": (
        openai_error("BadRequestError", 400, "context_length_exceeded", "invalid_request_error", "too long"),
        PERMANENT, "error-code"),
    "anthropic, overloaded": (
        anthropic_error("OverloadedError", 529, "overloaded_error", "Overloaded"), TRANSIENT, "error-code"),
    "anthropic, overloaded within a stream that began well": (
        anthropic_error("APIStatusError", 200, "overloaded_error", "Overloaded"), TRANSIENT, "error-code"),
    "anthropic, limited": (anthropic_error("RateLimitError", 429, "rate_limit_error", "no"), LIMITED, "error-code"),
    "anthropic, spent": (
        anthropic_error("BadRequestError", 400, "invalid_request_error", CREDIT), DOWN, "spent-words"),
    "botocore, throttled with 400": (client_error("ThrottlingException", 400, "Rate"), LIMITED, "error-code"),
    "botocore, slow down with 503": (client_error("SlowDown", 503, "Please reduce"), LIMITED, "error-code"),
    "botocore, HEAD": (client_error("404", 404, "Not Found"), PERMANENT, "http-status"),
    "botocore, refused": (
        through("botocore.exceptions.EndpointConnectionError", "urllib3.exceptions.NewConnectionError",
                beneath=refused()), DOWN, "error-code"),
    "psycopg, refused": (raised("psycopg.OperationalError", PG_REFUSED, sqlstate=None), DOWN, "message-words"),
    "psycopg, full": (
        raised("psycopg.OperationalError", "FATAL:  sorry, too many clients already", sqlstate=None),
        DOWN, "message-words"),
    "psycopg, deadlock": (raised("psycopg.errors.DeadlockDetected", "x", sqlstate="40P01"), TRANSIENT, "sqlstate"),
    "psycopg, no such table": (raised("psycopg.errors.UndefinedTable", "x", sqlstate="42P01"), PERMANENT, "sqlstate"),
    "psycopg, stopped": (raised("psycopg.errors.AdminShutdown", "x", sqlstate="57P01"), DOWN, "sqlstate"),
    "psycopg2, twice the same key": (raised("psycopg2.errors.UniqueViolation", "x", pgcode="23505"), PERMANENT,
                                     "sqlstate"),
    "sqlalchemy, over psycopg": (
        raised("sqlalchemy.exc.OperationalError", "(psycopg...)", code="e3q8",
               beneath=raised("psycopg.errors.SerializationFailure", "x", sqlstate="40001")), TRANSIENT, "sqlstate"),
    "sqlalchemy, over sqlite": (
        raised("sqlalchemy.exc.OperationalError", "(sqlite3.OperationalError) no such table: x", code="e3q8",
               beneath=raised("sqlite3.OperationalError", "no such table: x")), PERMANENT, "message-words"),
    "psycopg's words beneath an error of the application": (
        raised("shop.ProviderError", "provider failed", raised("psycopg.OperationalError", PG_REFUSED)),
        DOWN, "message-words"),
    "redis, refused": (
        through("redis.exceptions.ConnectionError", beneath=refused()), DOWN, "error-code"),
    "redis, full": (
        raised("redis.exceptions.ConnectionError", "max number of clients reached", status_code="ERR"),
        DOWN, "message-words"),
    "redis, loading": (raised("redis.exceptions.BusyLoadingError", "x", status_code="LOADING"), DOWN,
                       "exception-type"),
    "redis, out of memory": (raised("redis.exceptions.OutOfMemoryError", "x", status_code="OOM"), DOWN,
                             "exception-type"),
    "redis, read-only": (raised("redis.exceptions.ReadOnlyError", "x", status_code="READONLY"), TRANSIENT,
                         "exception-type"),
    "redis, slow": (through("redis.exceptions.TimeoutError", beneath=TimeoutError()), TRANSIENT, "exception-type"),
    "redis, closed": (raised("redis.exceptions.ConnectionError", "Connection closed by server."), TRANSIENT,
                      "message-words"),
    "kombu, refused": (through("kombu.exceptions.OperationalError", beneath=refused()), DOWN, "error-code"),
    "amqp, stopped": (raised("amqp.exceptions.ConnectionForced", "x", code=320, reply_code=320), DOWN, "error-code"),
    "amqp, an error that looks like HTTP's 503": (
        raised("amqp.exceptions.CommandInvalid", "x", code=503, reply_code=503), PERMANENT, "error-code"),
    "grpc, away": (GrpcError("UNAVAILABLE"), DOWN, "error-code"),
    "grpc, wrong": (GrpcError("INVALID_ARGUMENT"), PERMANENT, "error-code"),
    "google, limited": (raised("google.api_core.exceptions.ResourceExhausted", "x", code=429), LIMITED, "http-status"),
    "stripe, limited": (
        raised("stripe._error.RateLimitError", "x", http_status=429, code="rate_limit", headers={"retry-after": "3"}),
        LIMITED, "error-code"),
    "aiohttp, 503": (
        raised("aiohttp.client_exceptions.ClientResponseError", "x", status=503, headers={"Retry-After": "30"}),
        TRANSIENT, "http-status"),
    "pymongo, away": (raised("pymongo.errors.ServerSelectionTimeoutError", "x"), DOWN, "exception-type"),
    "pymysql, deadlock": (
        raised("pymysql.err.OperationalError", "(1213, 'Deadlock found when trying to get lock')", sqlstate=None),
        TRANSIENT, "message-words"),
    "a full disk": (OSError(28, "No space left on device"), Kind.RESOURCE, "error-code"),
    "no way there": (OSError(113, "No route to host"), DOWN, "error-code"),
    "forbidden, with a wait": (
        raised("requests.exceptions.HTTPError", "403", response=answer(403, retry_after="60")), LIMITED, "retry-after"),
    "a key that is not known, with a wait": (
        raised("requests.exceptions.HTTPError", "401", response=answer(401, retry_after="60")),
        PERMANENT, "http-status"),
    "not there, with a wait": (
        raised("requests.exceptions.HTTPError", "404", response=answer(404, retry_after="60")),
        PERMANENT, "http-status"),
    "a limit that comes as 400": (
        raised("requests.exceptions.HTTPError", "400", response=answer(400, retry_after="60")), LIMITED, "retry-after"),
    "text of a user that speaks of an outage": (
        ValueError("cannot parse: 'my printer says connection refused'"), PERMANENT, "mistake"),
    "text of a user that speaks of a limit": (KeyError("too many requests"), PERMANENT, "mistake"),
    "text of a user that speaks of a quota": (TypeError(SPENT), PERMANENT, "mistake"),
    "a mistake raised from another": (raised("builtins.ValueError", "timed out", KeyError("x")), PERMANENT, "mistake"),
    "a mistake raised from the refusal": (raised("builtins.ValueError", "x", refused()), DOWN, "error-code"),
    "a mistake that carries an answer": (
        raised("builtins.ValueError", "x", response=answer(503)), TRANSIENT, "http-status"),
    "a mistake raised from what only its words tell": (
        raised("builtins.ValueError", "x", raised("psycopg.OperationalError", PG_REFUSED)), DOWN, "message-words"),
    "no money": (raised("requests.exceptions.HTTPError", "402", response=answer(402)), DOWN, "spent-quota"),
    "an answer that is no JSON": (through("requests.exceptions.JSONDecodeError", "json.decoder.JSONDecodeError"),
                                  Kind.UNKNOWN, "none"),
}  # fmt: skip


def told_of(error: BaseException) -> dict[str, Any]:
    """Gather what a worker tells of an exception."""
    return facts_of(error, "".join(format_exception(error)), NOW)


@pytest.mark.parametrize(("error", "kind", "rule"), SHAPES.values(), ids=SHAPES)
def test_what_a_library_raises_has_its_kind(error: Exception, kind: Kind, rule: str) -> None:
    """Each shape is classified as what it is, by the rule that knows most of it."""
    told = told_of(error)
    verdict = explain(Case(Way.EXCEPTION, ExceptionFacts(**told | {"chain": tuple(told["chain"])}))).verdict
    assert (verdict.kind, verdict.rule) == (kind, rule)


def handling(error: Exception, handled: Exception) -> Exception:
    """Give an exception that was raised while another was handled."""
    error.__context__, error.__suppress_context__ = handled, False
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (handling(raised("httpx.HTTPStatusError", "503", response=answer(503)), KeyError("cache")), TRANSIENT),
        (
            handling(
                raised("httpx.HTTPStatusError", "503", response=answer(503)),
                raised("psycopg.errors.UniqueViolation", "x", sqlstate="23505"),
            ),
            TRANSIENT,
        ),
        (
            handling(
                raised("psycopg.errors.UniqueViolation", "x", sqlstate="23505"),
                raised("httpx.HTTPStatusError", "503", response=answer(503)),
            ),
            PERMANENT,
        ),
        (handling(raised("httpx.ConnectError", "x"), FileNotFoundError(2, "No such file")), DOWN),
        (handling(ValueError("no fallback"), openai_error("RateLimitError", 429, None, "x", "x")), PERMANENT),
        (handling(KeyError("x"), raised("httpx.ConnectError", "x")), PERMANENT),
    ],
    ids=[
        "a miss before 503",
        "a key that was there before 503",
        "503 before a key",
        "a miss before refused",
        "a mistake after 429",
        "a mistake after refused",
    ],
)
def test_what_was_handled_before_does_not_tell(error: Exception, kind: Kind) -> None:
    """An exception met while another was handled is what broke: a cache miss before it is not."""
    told = told_of(error)
    assert explain(Case(Way.EXCEPTION, ExceptionFacts(**told | {"chain": tuple(told["chain"])}))).verdict.kind is kind
