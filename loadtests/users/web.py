"""The web user: asks for model calls, which the front enqueues, and sometimes looks how one is doing."""

from __future__ import annotations

from itertools import cycle, islice
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import uuid4

import gevent
from locust import events

from loadtests.trace import read_trace
from loadtests.users.arriving import Arriving, expecting
from loadtests.users.ending import tell
from loadtests.users.front_clock import ahead_of
from loadtests.users.share import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.env import Environment

    from loadtests.trace import Call

LOOKS_IN: Final = 4_096
LOOKS: Final = 0.1
# Where no stamps tell how calls end, this share of them is asked for, at these intervals.
WATCHED: Final = 0.1
SOONEST_SECONDS: Final = 0.1
LATEST_SECONDS: Final = 5.0
WATCHED_SECONDS: Final = 120.0
# Processes of one run begin at different places of the trace.
STRIDE: Final = 997


class WebUser(Arriving):
    """One stream of calls; those of all web users together come `--rate` a second, in the order of the trace."""

    calls: ClassVar[Iterator[Call]] = iter(())
    stamped: ClassVar[bool] = False
    last: str | None = None

    def on_start(self) -> None:
        """Learn the front's clock, once for each process."""
        super().on_start()
        if share.front_ahead is None:
            share.front_ahead = ahead_of(str(self.host))

    def rate(self) -> float:
        """Give this user's part of the rate."""
        return share.rate()

    def arrive(self, intended: float) -> None:
        """Ask for a call, or look how the last one is doing; whoever has asked for none asks first."""
        if self.last is not None and self.dice.random() < LOOKS:
            self.ask("GET", f"/calls/{self.last}", "GET /calls/{id}", intended, expecting(200))
        else:
            self._ask_for_a_call(intended)

    def _ask_for_a_call(self, intended: float) -> None:
        call, task_id = next(self.calls), str(uuid4())
        malformed = self.dice.random() < share.load.malformed
        watched = not self.stamped and self.dice.random() < WATCHED
        body = {
            "id": task_id,
            "context_tokens": call.context_tokens,
            "generated_tokens": call.generated_tokens,
            "intended": share.on_front(intended),
            "malformed": malformed,
        }
        if self.stamped or watched:
            # Before it is sent: it may have ended before its answer is here.
            share.ends.expect(task_id, intended, malformed=malformed)
        if self.ask("POST", "/calls", "POST /calls", intended, expecting(202), json=body) is None:
            share.ends.forget(task_id)
            return
        self.last = task_id
        if watched:
            self._watch(task_id)

    def _watch(self, task_id: str) -> None:
        """Ask how a call is doing, ever more seldom, until it has ended well or nobody would wait any longer."""
        pause, until, failed = SOONEST_SECONDS, monotonic() + WATCHED_SECONDS, False
        while share.ends.has(task_id) and monotonic() < until:
            gevent.sleep(pause)
            pause = min(LATEST_SECONDS, pause * 1.5)
            answer = self.ask("GET", f"/calls/{task_id}", "GET /calls/{id}", monotonic(), expecting(200))
            state = answer.json()["state"] if answer is not None else "PENDING"
            if state in {"SUCCESS", "FAILURE"}:
                tell(self.environment, share.ends.ended(task_id, monotonic(), state, first=not failed))
                failed = failed or state == "FAILURE"
        share.ends.forget(task_id)


@events.test_start.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _open_the_trace(environment: Environment, **_: object) -> None:
    """Read the trace from the call that the seed names, around and around."""
    calls = list(read_trace(limit=LOOKS_IN))
    WebUser.calls = islice(cycle(calls), (share.seed + STRIDE * share.process) % len(calls), None)
    WebUser.stamped = bool(environment.parsed_options and environment.parsed_options.stamps)
