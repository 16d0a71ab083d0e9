"""How calls end, as Locust tells it among its requests: read from the workers' stamps while they write them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent
from locust import events
from locust.log import greenlet_exception_logger
from locust.runners import MasterRunner

from loadtests.stamps import Tail
from loadtests.users.share import share

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from loadtests.evidence import Answered

log = logging.getLogger(__name__)
LOOK_SECONDS: Final = 0.2


def tell(environment: Environment, ended: Answered | None) -> None:
    """Tell Locust of a call that has ended, as of a request from its intended start."""
    if ended is not None:
        environment.events.request.fire(  # type: ignore[no-untyped-call]  # locust's hooks have no types
            request_type="CALL",
            name=ended.name,
            response_time=ended.seconds * 1000,
            response_length=0,
            exception=None if ended.well else RuntimeError("its first run did not end as it should"),
            context={"at": ended.at, "seconds": ended.seconds},
        )


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _follow(environment: Environment, **_: object) -> None:
    """Read the stamps from a run's start to its end, in each process that has users."""
    if not isinstance(environment.runner, MasterRunner):
        environment.events.test_start.add_listener(_follower(environment))  # type: ignore[no-untyped-call]  # locust's hooks have no types


def _follower(environment: Environment) -> Callable[..., None]:
    def follow(**_: object) -> None:
        options = environment.parsed_options
        if options and options.stamps:
            reading = gevent.spawn(_read, environment, Tail(Path(options.stamps)))
            reading.link_exception(greenlet_exception_logger(log))  # type: ignore[no-untyped-call]  # as locust has it

    return follow


def _read(environment: Environment, tail: Tail) -> None:
    over = False

    def end(**_: object) -> None:
        nonlocal over
        over = True
        look()

    def look() -> None:
        for line in tail.new():
            tell(environment, share.ends.read(line))

    environment.events.test_stop.add_listener(end)  # type: ignore[no-untyped-call]  # locust's hooks have no types
    while not over:
        look()
        gevent.sleep(LOOK_SECONDS)
    environment.events.test_stop.remove_listener(end)  # type: ignore[no-untyped-call]  # locust's hooks have no types
