"""Users who arrive openly: each of their requests has an intended start, and does not wait for the one before it.

A request that starts late, because this process was busy or many came at once, is timed from when it was to start.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.pool import Group
from locust import FastHttpUser, constant, task
from locust.log import greenlet_exception_logger

from loadtests.arrivals import Arrivals
from loadtests.users.share import share

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
# A fault of ours in an arrival is said, and ends Locust with its own code for that.
_said: Final = greenlet_exception_logger(log)  # type: ignore[no-untyped-call]  # as locust has it
TIMEOUT_SECONDS: Final = 10.0
WINDOW_SECONDS: Final = 0.25


class Arriving(FastHttpUser):
    """One stream of arrivals: `rate` is how many a second, `arrive` does what one of them does."""

    abstract = True
    wait_time = constant(0)
    concurrency = 1_000
    connection_timeout = TIMEOUT_SECONDS
    network_timeout = TIMEOUT_SECONDS

    def rate(self) -> float:
        """Give the arrivals a second from now on."""
        raise NotImplementedError

    def arrive(self, intended: float) -> None:
        """Do what one arrival does; `intended` is when it was meant to, on this machine's monotonic clock."""
        raise NotImplementedError

    def on_start(self) -> None:
        """Begin with nobody there."""
        self.dice = share.dice(type(self).__name__)
        self.flying = Group()
        self.stream = Arrivals(monotonic(), self.dice)

    def on_stop(self) -> None:
        """Let those who are there have their answers, as long as --stop-timeout allows."""
        self.flying.join(self.environment.stop_timeout or 0)
        self.flying.kill(block=False)

    @task
    def arrivals(self) -> None:
        """Send those on their way who arrive in the next moment."""
        for intended in self.stream.until(monotonic() + WINDOW_SECONDS, self.rate()):
            gevent.sleep(max(0.0, intended - monotonic()))
            self.flying.spawn(self.arrive, intended).link_exception(_said)
        gevent.sleep(max(0.0, self.stream.at - monotonic()))

    def ask(
        self, method: str, url: str, name: str, intended: float, fault: Callable[[Any], str | None], **options: Any
    ) -> Any:  # noqa: ANN401 - locust's own answer
        """Ask, and give the answer where it is a good one, else None; `fault` says what is wrong with one."""
        sent = self.client.request(method, url, name=name, catch_response=True, context={"at": intended}, **options)
        with sent as answer:
            answer.request_meta["response_time"] = (monotonic() - intended) * 1000
            wrong = fault(answer)
            if wrong:
                answer.failure(wrong)
            else:
                answer.success()
        return None if wrong else answer


def expecting(*statuses: int) -> Callable[[Any], str | None]:
    """Find fault with every other status; 0 is that of a request that had no answer."""

    def fault(answer: Any) -> str | None:  # noqa: ANN401 - locust's own answer
        if answer.status_code in statuses:
            return None
        why = "" if answer.status_code else f": {answer.error!r}"
        return f"expected {' or '.join(map(str, statuses))}, got {answer.status_code}{why}"

    return fault
