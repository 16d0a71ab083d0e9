"""The web user: asks for model calls, which the front enqueues, and sometimes looks how one is doing."""

from __future__ import annotations

import random
from itertools import cycle, islice
from typing import TYPE_CHECKING, ClassVar, Final

from locust import FastHttpUser, events, task

from loadtests.trace import read_trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.env import Environment

    from loadtests.trace import Call

LOOKS_IN: Final = 4_096
TIMEOUT_SECONDS: Final = 10.0


class WebUser(FastHttpUser):
    """About two requests a second; the calls of all users together are those of the trace, in its order."""

    connection_timeout = TIMEOUT_SECONDS
    network_timeout = TIMEOUT_SECONDS
    calls: ClassVar[Iterator[Call]] = iter(())

    def on_start(self) -> None:
        """Begin with nothing to look at."""
        self.last: str | None = None

    def wait_time(self) -> float:
        """Give the seconds to wait before the next request."""
        return random.uniform(0.25, 0.75)

    @task(9)
    def ask(self) -> None:
        """Ask for one model call."""
        call = next(self.calls)
        body = {"context_tokens": call.context_tokens, "generated_tokens": call.generated_tokens}
        with self.client.post("/calls", json=body, name="POST /calls", catch_response=True) as answer:
            if answer.status_code != 202:  # noqa: PLR2004 - HTTP's own number
                answer.failure(f"expected 202, got {answer.status_code}")
            else:
                self.last = answer.json()["id"]

    @task(1)
    def look(self) -> None:
        """Look how the last call is doing; whoever has asked for none asks first."""
        if self.last is None:
            self.ask()
        else:
            self.client.get(f"/calls/{self.last}", name="GET /calls/{id}")


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _open_the_trace(environment: Environment, **_: object) -> None:
    """Read the trace from the call that the seed names, around and around."""
    calls = list(read_trace(limit=LOOKS_IN))
    seed = environment.parsed_options.load_seed if environment.parsed_options else 0
    random.seed(seed)
    WebUser.calls = islice(cycle(calls), seed % len(calls), None)
