"""What Locust's users leave in files: a line for each request that was answered, as loadtests/stamps.py says."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any

from locust import events

from loadtests.stamps import line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust.env import Environment


def append(path: str, text: str) -> None:
    """Add lines to a file that other processes of Locust add to as well, in one write."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _note_answers(environment: Environment, **_: object) -> None:
    """Write each request down, where --answers names a file."""

    def note(
        name: str, response_time: float, exception: object, context: Mapping[str, Any] | None = None, **_: object
    ) -> None:
        options = environment.parsed_options
        if options and options.answers:
            seconds = response_time / 1000
            at = (context or {}).get("at", monotonic() - seconds)
            append(options.answers, line("answered", at, seconds, exception is None, name))

    environment.events.request.add_listener(note)  # type: ignore[no-untyped-call]  # locust's hooks have no types
