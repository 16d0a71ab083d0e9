"""One HTTP call to StackStorm: bounded in time, verified, let in, repeated where that is harmless; errors are ours."""

from __future__ import annotations

import json
import random
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import requests
from requests.exceptions import SSLError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from eventbus import scrub
from orchestrator.breaker import NEVER, Breaker, CircuitBreakerError, Policy
from orchestrator.domain.backoff import asked_seconds
from orchestrator.domain.errors import CircuitOpen, DependencyUnreachable, Refused, TimedOut, Unauthorised
from orchestrator.stackstorm.call import WHAT, Call
from orchestrator.stackstorm.credentials import ApiKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.credentials import Credentials

ATTEMPTS: Final = 3
BLOCK: Final = 65_536
# Bytes. An answer that is longer is none: a page holds at most 100 executions.
LONGEST_ANSWER: Final = 64_000_000
UNAUTHORISED, NOT_FOUND, TOO_MANY, UNAVAILABLE = 401, 404, 429, 503
# The statuses after which a server has done nothing of what it was asked.
NOTHING_DONE: Final = (TOO_MANY, UNAVAILABLE)
AGENT: Final = f"redrive/{version('redrive')}"
OWN_WAIT: Final = wait_random_exponential(multiplier=0.1, max=1)


class Failed(Exception):
    """An exchange that brought no answer, or one that says that the server is unwell; counts against the circuit."""

    def __init__(self, error: DependencyUnreachable, *, passing: bool, done_nothing: bool, asked: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.passing = passing
        self.done_nothing = done_nothing
        self.asked = asked


class Calls:
    """Makes calls. `timeout_seconds` bounds connecting, each silence, a whole answer, and all waiting between repeats.

    Whatever goes wrong is a DependencyUnreachable; 404 is an answer. `ca_file` holds the certificates of who may sign
    the server's, where it is not one that requests knows.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        timeout_seconds: float,
        ca_file: str | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self._credentials = credentials or ApiKey(None)
        self._timeout = timeout_seconds
        self._verify = ca_file or True
        self._breaker = breaker or Breaker(WHAT, random.random, Policy(slow_seconds=NEVER))

    def send(self, call: Call) -> requests.Response:
        """Make a call, several times where that is harmless and may help; raises DependencyUnreachable."""
        named = _named(call)
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(self._timeout),
            wait=_wait,
            retry=retry_if_exception(lambda error: _again(error, named)),
            reraise=True,
        )
        try:
            return retrying(self._let_in, named)
        except Failed as failed:
            raise failed.error from failed.__cause__
        except CircuitBreakerError as error:
            raise CircuitOpen(WHAT, f"{error}, {self._breaker.seconds_left():.0f} s more") from None

    def _let_in(self, call: Call) -> requests.Response:
        answer = self._once(call)
        if answer.status_code == UNAUTHORISED and call.basic is None and self._credentials.renew():
            answer = self._once(call)
        if answer.status_code < requests.codes.multiple_choices or answer.status_code == NOT_FOUND:
            return answer
        kind = Unauthorised if answer.status_code == UNAUTHORISED else Refused
        raise kind(WHAT, _told(call, answer))

    def _once(self, call: Call) -> requests.Response:
        headers = call.headers if call.basic else {**call.headers, **self._credentials.headers(self.send)}
        return self._breaker.call(self._exchange, call, headers)

    def _exchange(self, call: Call, headers: Mapping[str, str]) -> requests.Response:
        deadline = time.monotonic() + self._timeout
        try:
            with requests.Session() as session:
                answer = session.request(
                    call.method,
                    call.url,
                    headers=dict(headers),
                    params=call.params,
                    data=call.data,
                    auth=call.basic,
                    timeout=(self._timeout, self._timeout),
                    verify=self._verify,
                    allow_redirects=False,  # a key follows no redirect to another host
                    stream=True,
                )
                _read(answer, deadline)
        except (requests.RequestException, HTTPError) as error:
            raise _failure(call, error) from error
        if answer.status_code in NOTHING_DONE or answer.status_code >= requests.codes.server_error:
            asked = asked_seconds(answer.headers.get("Retry-After"), datetime.now(UTC)) or 0.0
            raise Failed(
                DependencyUnreachable(WHAT, _told(call, answer)),
                passing=True,
                done_nothing=answer.status_code in NOTHING_DONE,
                asked=asked,
            )
        return answer


def _named(call: Call) -> Call:
    """Give the call with what tells it apart in the logs of the other side: the same in each of its repeats."""
    headers = {"User-Agent": AGENT, "X-Request-Id": str(uuid.uuid4()), **call.headers}
    return replace(call, headers=headers)


def _again(error: BaseException, call: Call) -> bool:
    return isinstance(error, Failed) and error.passing and (call.safe or error.done_nothing)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return max(OWN_WAIT(state), error.asked if isinstance(error, Failed) else 0.0)


def _read(answer: requests.Response, deadline: float) -> None:
    """Read an answer to its end, which must come before the deadline; raises requests' errors, and urllib3's."""
    found = bytearray()
    while block := answer.raw.read1(BLOCK, decode_content=True):
        found += block
        if len(found) > LONGEST_ANSWER:
            raise requests.exceptions.ContentDecodingError(f"an answer of more than {LONGEST_ANSWER} bytes")
        if time.monotonic() > deadline:
            raise requests.ReadTimeout("the answer did not end in time")
    answer._content = bytes(found)  # noqa: SLF001 where requests itself keeps it once it is read


def _failure(call: Call, error: Exception) -> Failed:
    why = f"{call.method} {call.url}: {type(error).__name__}"
    if isinstance(error, SSLError):
        why = f"{why}: expected a certificate that is signed by an authority we know"
        return Failed(DependencyUnreachable(WHAT, why), passing=False, done_nothing=True)
    timed_out = isinstance(error, requests.Timeout | ReadTimeoutError)
    kind = TimedOut if timed_out else DependencyUnreachable
    # One that kept silent has taken all the time that there was.
    return Failed(kind(WHAT, why), passing=not timed_out, done_nothing=_unconnected(error))


def _unconnected(error: Exception) -> bool:
    """Tell whether the call never left this host."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _told(call: Call, answer: requests.Response) -> str:
    """Say what was answered in StackStorm's own words, without secrets."""
    try:
        fault = str(json.loads(answer.content)["faultstring"])
    except (ValueError, KeyError, TypeError):
        fault = ""
    told = f"{call.method} {call.url} answered {answer.status_code} {answer.reason}" + (f": {fault}" if fault else "")
    return scrub.text(f"{told} (request {call.headers['X-Request-Id']})")
