"""Facts of an exception: what an HTTP client knows of the answer, whatever the client; never an error of our own."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import Message
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError

import pytest
import requests

from eventbus.facts import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS, facts_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


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


def test_the_chain_names_what_lies_beneath_nearest_first() -> None:
    """Causes and contexts are named as a traceback shows them; a suppressed context is not."""
    root, cause, top = OSError("root"), KeyError("cause"), ValueError("top")
    cause.__context__, top.__cause__ = root, cause
    assert facts(top)["chain"] == ["builtins.KeyError", "builtins.OSError"]
    cause.__suppress_context__ = True
    assert facts(top)["chain"] == ["builtins.KeyError"]


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
