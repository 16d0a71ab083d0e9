"""Facts of an exception: what an HTTP client knows of the answer, whatever the client; never an error of our own."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from email.message import Message
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.error import HTTPError

import jsonschema_rs
import orjson
import pytest
import requests

from eventbus import wire
from eventbus.attributes import traceback_of
from eventbus.facts import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS, facts_of
from eventbus.waits import LONGEST_WAIT
from tests.shapes import GrpcError, anthropic_error, client_error, openai_error, raised

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SCHEMA = orjson.loads(wire.schema_text(wire.TASK_FAILED))["properties"]["exception"]


def facts(error: BaseException) -> dict[str, Any]:
    """Gather the facts of an exception."""
    return facts_of(error, "", NOW)


def told(**attributes: Any) -> Exception:
    """Make an exception with these attributes."""
    error = RuntimeError("told")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def answer(status: int, **headers: str) -> requests.Response:
    """Make an answer as requests keeps it."""
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (requests.HTTPError(response=answer(503)), 503),
        (requests.ConnectionError("refused"), None),
        (told(status_code=429), 429),  # openai, and httpx' answers
        (told(response=SimpleNamespace(status=502)), 502),
        (told(status=504), 504),  # aiohttp
        (HTTPError("http://x", 500, "no", Message(), None), 500),  # urllib
        (told(code=7), None),  # grpc: no HTTP status
        (told(code=503, reply_code=503), None),  # amqp: command invalid
        (told(status_code=True), None),
        (told(status_code="429"), None),
        (told(response=None), None),
    ],
    ids=repr,
)
def test_the_status_is_found_where_clients_keep_it(error: BaseException, status: int | None) -> None:
    """The HTTP status comes from the answer, or from the exception itself; what is none is left out."""
    assert facts(error)["status"] == status


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (requests.HTTPError(response=answer(429, retry_after="7")), 7.0),
        (requests.HTTPError(response=answer(429, Retry_After="0.5")), 0.5),
        (requests.HTTPError(response=answer(429, Retry_After="Fri, 20 Nov 2026 12:01:30 GMT")), 90.0),
        (requests.HTTPError(response=answer(429, Retry_After="Fri, 20 Nov 2026 11:00:00 GMT")), 0.0),
        (requests.HTTPError(response=answer(429, Retry_After="soon")), None),
        (requests.HTTPError(response=answer(429, Retry_After="inf")), None),
        (requests.HTTPError(response=answer(429, Retry_After="-3")), 0.0),
        (requests.HTTPError(response=answer(429, retry_after_ms="1500", retry_after="2")), 1.5),
        (told(retry_after=12), 12.0),
        (told(response=SimpleNamespace(headers={"Retry-After": "3"})), 3.0),
        (told(response=SimpleNamespace(headers=5)), None),
        (RuntimeError(), None),
    ],
    ids=repr,
)
def test_retry_after_is_seconds_from_now(error: BaseException, seconds: float | None) -> None:
    """What the other side asked to wait is given in seconds, be it told as a number or as a date."""
    assert facts(error)["retry_after"] == seconds


OPENAI = {
    "x_ratelimit_limit_requests": "500", "x_ratelimit_remaining_requests": "499", "x_ratelimit_reset_requests": "1s",
    "x_ratelimit_limit_tokens": "30000", "x_ratelimit_remaining_tokens": "900", "x_ratelimit_reset_tokens": "6m0s",
}  # fmt: skip
ANTHROPIC = {
    "anthropic_ratelimit_requests_remaining": "49", "anthropic_ratelimit_requests_reset": "2026-11-20T12:00:05Z",
    "anthropic_ratelimit_tokens_remaining": "0", "anthropic_ratelimit_tokens_reset": "2026-11-20T12:00:40Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (requests.HTTPError(response=answer(429, **OPENAI)), 360.0),
        (requests.HTTPError(response=answer(429, **OPENAI, retry_after="2")), 2.0),
        (requests.HTTPError(response=answer(500, **OPENAI)), None),
        (requests.HTTPError(response=answer(403, **OPENAI)), None),
        (requests.HTTPError(response=answer(429, **ANTHROPIC)), 40.0),
        (requests.HTTPError(response=answer(429, x_ratelimit_reset="1763640090", x_ratelimit_remaining="0")), 0.0),
        (requests.HTTPError(response=answer(403, x_ratelimit_reset="1795176090", x_ratelimit_remaining="0")), 90.0),
        (requests.HTTPError(response=answer(429, x_ratelimit_reset="1795176090500")), 90.5),
        (requests.HTTPError(response=answer(429, ratelimit_reset="7")), 7.0),
        (requests.HTTPError(response=answer(429, x_ratelimit_reset_tokens="120ms")), 0.12),
        (requests.HTTPError(response=answer(429, x_ratelimit_reset_tokens="1h2m3.5s")), 3723.5),
        (requests.HTTPError(response=answer(429, x_ratelimit_reset_tokens="soon")), None),
        (requests.HTTPError(response=answer(429, retry_after="9" * 60)), LONGEST_WAIT),
        (requests.HTTPError(response=answer(429, retry_after="9" * 5000)), None),
        (client_error("Throttling", 400, "no", retry_after="4"), 4.0),
        (told(retry_after=timedelta(seconds=3)), 3.0),
        (told(code=429, details={"error": {"details": [{"@type": "QuotaFailure"}, {"retryDelay": "37s"}]}}), 37.0),
    ],
    ids=str,
)
def test_limits_that_are_lifted_tell_how_long_to_wait(error: BaseException, seconds: float | None) -> None:
    """Without Retry-After the limit of which least is left tells, of answers only that a limit explains."""
    assert facts(error)["retry_after"] == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (openai_error("RateLimitError", 429, "insufficient_quota", "insufficient_quota", "x"), "insufficient_quota"),
        (openai_error("InternalServerError", 500, None, "server_error", "x"), "server_error"),
        (anthropic_error("OverloadedError", 529, "overloaded_error", "x"), "overloaded_error"),
        (client_error("EC2ThrottledException", 503, "x"), "EC2ThrottledException"),
        (client_error("404", 404, "x"), None),
        (raised("psycopg.errors.DeadlockDetected", "x", sqlstate="40P01"), "40P01"),
        (raised("psycopg2.OperationalError", "x", pgcode=None), None),
        (raised("sqlalchemy.exc.OperationalError", "x", code="e3q8"), None),
        (raised("amqp.exceptions.NotFound", "x", code=404, reply_code=404), "amqp-404"),
        (GrpcError("RESOURCE_EXHAUSTED"), "RESOURCE_EXHAUSTED"),
        (OSError(28, "No space left on device"), "ENOSPC"),
        (FileNotFoundError(2, "No such file"), None),
        (ssl.SSLError(12, "is not ENOMEM"), None),
    ],
    ids=str,
)
def test_the_code_is_the_dependencys_word_for_the_error(error: BaseException, code: str | None) -> None:
    """Where a client, a driver, a broker or the system names the error, its name is told; else nothing is."""
    assert facts(error).get("code") == code


@pytest.mark.parametrize(
    "error",
    [
        told(code="SUMMER2026"),
        told(code="coupon_for_ann"),
        told(status_code=400, code="4929123412341234"),
        told(status_code=400, code="a b"),
        told(status_code=400, code="x" * 65),
        told(body={"error": {"code": "eyJhbGciOiJIUzI1NiJ9"}}),
        told(body={"error": "no dictionary"}),
        told(sqlstate="hello"),
        told(response={"Error": "no dictionary"}),
        openai_error("BadRequestError", 400, "a" * 63 + "!", "b" * 63 + "!", "x"),
    ],
    ids=repr,
)
def test_what_is_no_providers_word_is_not_told(error: BaseException) -> None:
    """An application's own `code` may be a voucher or a person's number: it stays in the worker."""
    assert "code" not in facts(error)


def test_a_code_and_a_status_are_of_one_answer() -> None:
    """What was handled before the exception came does not lend it its code."""
    handled = raised("psycopg.errors.UniqueViolation", "x", sqlstate="23505")
    asked = facts(raised("requests.HTTPError", "503", handled, response=answer(503)))
    assert (asked["status"], asked.get("code")) == (503, None)
    same = raised("shop.ProviderError", "x", client_error("SlowDown", 503, "x"), status_code=503)
    assert (facts(same)["status"], facts(same)["code"]) == (503, "SlowDown")


def test_no_property_is_asked_for_a_word() -> None:
    """A `code` that is computed is left alone once the status is known: aiohttp's warns in the user's log."""
    asked = []

    class Computed(Exception):
        status = 503

        @property
        def code(self) -> int:
            asked.append(self)
            return 503

    assert (facts(Computed())["status"], asked) == (503, [])


def test_the_chain_names_what_lies_beneath_nearest_first() -> None:
    """Causes are named, and what an exception without content wraps; a suppressed context is not."""
    root, cause, top = OSError("root"), RuntimeError("cause"), ValueError("top")
    cause.__context__, top.__cause__ = root, cause
    assert facts(top)["chain"] == ["builtins.RuntimeError", "builtins.OSError"]
    cause.__suppress_context__ = True
    assert facts(top)["chain"] == ["builtins.RuntimeError"]


def limited() -> Exception:
    """Make a 429 that asks for an hour."""
    return requests.HTTPError(response=answer(429, retry_after="3600"))


def amid(error: Exception, handled: Exception) -> Exception:
    """Give an exception that came while another was handled."""
    error.__context__, error.__suppress_context__ = handled, False
    return error


@pytest.mark.parametrize(
    ("error", "told_of_it"),
    [
        (amid(requests.HTTPError(response=answer(503)), limited()), (503, None, None)),
        (raised("shop.Error", "x", limited(), status_code=503), (503, None, None)),
        (amid(ConnectionRefusedError(111, "refused"), limited()), (None, "ECONNREFUSED", None)),
        (raised("requests.ConnectionError", "x", amid(TimeoutError(), limited())), (None, None, None)),
        (amid(ValueError("no fallback"), limited()), (None, None, None)),
        (amid(told(retry_after=5), limited()), (None, None, 5.0)),
        (amid(raised("shop.Failed", "x"), limited()), (429, None, 3600.0)),
        (amid(RuntimeError("x"), limited()), (429, None, 3600.0)),
        (raised("builtins.ValueError", "x", limited()), (429, None, 3600.0)),
        (raised("shop.Error", "x", limited(), status_code=429), (429, None, 3600.0)),
        (raised("shop.Error", "x", requests.HTTPError(response=answer(503)), retry_after=5), (503, None, 5.0)),
    ],
    ids=[
        "a fallback that fails",
        "another answer raised from it",
        "a fallback that is refused",
        "a fallback that is slow",
        "a mistake",
        "a wait of its own",
        "an error of the application",
        "RuntimeError",
        "a mistake raised from it",
        "the same answer raised from it",
        "a wait told by what wraps it",
    ],
)
def test_status_code_and_wait_are_of_one_answer(
    error: Exception, told_of_it: tuple[int | None, str | None, float | None]
) -> None:
    """What was handled before lends nothing, but to an exception that has no content and only wraps it."""
    asked = facts(error)
    assert (asked["status"], asked.get("code"), asked["retry_after"]) == told_of_it


def test_the_answer_may_belong_to_an_exception_beneath() -> None:
    """An exception that wraps a client's tells the client's status and Retry-After."""
    wrapped = RuntimeError("could not ask")
    wrapped.__cause__ = requests.HTTPError(response=answer(429, retry_after="7"))
    assert (facts(wrapped)["status"], facts(wrapped)["retry_after"]) == (429, 7.0)


def test_a_chain_that_bites_its_tail_ends() -> None:
    """A circle of causes is named once around."""
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert facts(first)["chain"] == ["builtins.KeyError"]


class Hostile(Exception):
    """An exception whose every part fails."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("no attribute")


def test_an_exception_that_fails_itself_is_told_all_the_same() -> None:
    """Somebody else's __str__ or property that raises is no error of ours."""
    told = facts(Hostile())
    assert told["type"].endswith("test_facts.Hostile")
    assert told["message"] == "<no message: RuntimeError in __str__>"
    assert told["status"] is None


class Evil:
    """Raises whatever is asked of it."""

    def _no(self, *_args: object) -> NoReturn:
        raise RuntimeError("no")

    __float__ = __str__ = __bool__ = __len__ = __iter__ = get = _no


class EvilDict(dict[str, Any]):
    """A dictionary that cannot be asked."""

    def get(self, *_args: object) -> NoReturn:
        """Raise."""
        raise RuntimeError("no")


class EvilInt(int):
    """A number that says it is every other, and is none."""

    def __eq__(self, _other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]  # it cannot be looked up either

    def __int__(self) -> int:
        return 10**9


class EvilText(str):
    """A text that cannot be measured."""

    __slots__ = ()

    def __len__(self) -> int:
        raise RuntimeError("no")


class EvilMessage(Exception):
    """Its message cannot be measured."""

    def __str__(self) -> str:
        return EvilText("boom")


class EvilCause(Exception):
    """What lies beneath cannot be had."""

    @property
    def __cause__(self) -> BaseException | None:  # type: ignore[override]  # as somebody may
        raise RuntimeError("no")


class EvilName(type):
    """Of its classes nobody can tell the module."""

    @property
    def __module__(cls) -> str:  # type: ignore[override]  # as somebody may
        raise RuntimeError("no")


class Odd(Exception):
    """Its name is longer than any, and no text that UTF-8 can hold."""


Odd.__qualname__ = "\ud800" * 9000
HTTP = {"status_code": 503}
EVIL: dict[str, Exception] = {
    "wait": told(retry_after=Evil(), **HTTP),
    "header": told(response=SimpleNamespace(status_code=503, headers={"retry-after": Evil()})),
    "limits": told(response=SimpleNamespace(status_code=503, headers={"x-ratelimit-reset": Evil()})),
    "headers": told(response=SimpleNamespace(status_code=503, headers=Evil())),
    "headers of its own": told(headers=Evil(), **HTTP),
    "body": told(body=EvilDict(error=1), **HTTP),
    "status": told(status_code=EvilInt(503)),
    "errno": amid(told(errno=EvilInt(28), **HTTP), KeyError()),
    "message": EvilMessage(),
    "cause": EvilCause(),
    "name": EvilName("Odd", (Exception,), {})("x"),
    "name that is no text": Odd(),
    "reply": told(reply_code=10**80),
    "seen": told(redrive_code="x" * 65),
    "seen words": told(redrive_code="no word"),
    "state": told(sqlstate=EvilText("40P01")),
}


@pytest.mark.parametrize("error", EVIL.values(), ids=EVIL)
def test_whatever_its_parts_do_an_exception_is_told(error: Exception) -> None:
    """Not one part of it takes the others along, and what is told keeps to the schema."""
    asked = facts(error)
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(orjson.loads(orjson.dumps(asked)))
    assert asked["message"] in {"told", "boom", "", "x"}
    assert asked.get("code") in {None, "40P01"}


def test_a_traceback_that_cannot_be_printed_is_left_out() -> None:
    """Python's own printing asks for what lies beneath, which may raise: the event goes without."""
    assert traceback_of(EvilCause()) == ""
    assert "RuntimeError: told" in traceback_of(told())


@pytest.mark.parametrize("part", ["wait", "header", "limits", "headers", "headers of its own", "body"])
def test_a_part_that_raises_leaves_the_others(part: str) -> None:
    """The status is told although wait or code cannot be had."""
    assert facts(EVIL[part])["status"] == 503


@pytest.mark.parametrize("leaving", [SystemExit, KeyboardInterrupt])
def test_an_exception_that_would_end_the_process_is_told_all_the_same(leaving: type[BaseException]) -> None:
    """Celery, which reads no more of it than its text, would have gone on: so does the process that asks."""

    class Leaving(Exception):
        def __str__(self) -> str:
            raise leaving

        def __getattr__(self, name: str) -> object:
            raise leaving

    told = facts(Leaving())
    assert (told["message"], told["status"]) == (f"<no message: {leaving.__name__} in __str__>", None)


class Stop(SystemExit):
    """What a worker that is told to stop may raise anywhere."""


@pytest.mark.parametrize(("ended", "asked"), [(Stop, False), (GeneratorExit, False), (SystemExit, True)])
def test_what_ends_the_worker_passes(
    monkeypatch: pytest.MonkeyPatch, ended: type[BaseException], *, asked: bool
) -> None:
    """A signal, a shutdown or the end of a greenlet that comes just then is not the exception's own."""

    class Interrupted(Exception):
        @property
        def status_code(self) -> int:
            raise ended

    monkeypatch.setattr("eventbus.attributes.asked_to_go", lambda: asked)
    with pytest.raises(ended):
        facts(Interrupted())


def test_long_texts_keep_both_ends_and_lone_surrogates_go() -> None:
    """Message and traceback are bounded, and are text that UTF-8 can hold."""
    told = facts_of(ValueError("a" * 5000 + "\ud800" + "z" * 5000), "first" + "-" * 99999 + "last", NOW)
    assert len(told["message"]) < MESSAGE_CHARACTERS + 60
    assert told["message"].startswith("aaa")
    assert told["message"].endswith("zzz")
    assert len(told["traceback"]) < TRACEBACK_CHARACTERS + 60
    assert told["traceback"].endswith("last")
    told["message"].encode()
    facts(ValueError("\ud800"))["message"].encode()
