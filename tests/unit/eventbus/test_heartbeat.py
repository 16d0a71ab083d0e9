"""A worker's sign of life."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jsonschema_rs
import orjson
import pytest

from eventbus.heartbeat import EVERY_SECONDS, Heartbeat
from eventbus.wire import WORKER_SEEN, schema_text, to_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

BOOT = str(uuid4())


class Clock:
    """Seconds that a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def beating(clock: Callable[[], float], **given: Any) -> Heartbeat:
    """Make a worker's heartbeat that tells of two children and three runs unless told otherwise."""
    asked = {"children": lambda: [7, 5], "in_flight": lambda: 3, "spool_bytes": lambda: 99, **given}
    return Heartbeat("celery@here", BOOT, clock=clock, **asked)


def test_it_beats_at_once_and_then_every_few_seconds() -> None:
    """Asked once a second, it gives an event the first time and then when the next one is due."""
    clock = Clock()
    beat = beating(clock)
    given = []
    for second in range(int(EVERY_SECONDS) * 2 + 1):
        clock.now = float(second)
        given.append(beat.due() is not None)
    assert [second for second, event in enumerate(given) if event] == [0, 5, 10]


def test_an_event_holds_what_the_schema_asks() -> None:
    """Its data fits the committed schema, and names the process, its children and what runs."""
    event = beating(Clock()).due()
    assert event is not None
    assert event.type == WORKER_SEEN
    data = to_mapping(event)["data"]
    jsonschema_rs.validator_for(orjson.loads(schema_text(WORKER_SEEN)), validate_formats=True).validate(data)
    assert (data["pid"], data["boot"], data["children"], data["in_flight"]) == (os.getpid(), BOOT, [5, 7], 3)
    assert data["spool_bytes"] == 99
    assert (data["state"], data["every_seconds"]) == ("running", EVERY_SECONDS)


def test_after_the_end_nothing_is_due() -> None:
    """A clean end is told once, with what was known of the worker; the publisher's last question gives nothing."""
    clock = Clock()
    beat = beating(clock)
    stopped = beat.stopped()
    clock.now = 100.0
    assert beat.due() is None
    assert stopped.data["state"] == "stopped"


def test_a_forked_child_is_silent() -> None:
    """A child that inherits the publisher's sources does not speak for the worker."""
    beat = beating(Clock())
    child = os.fork()
    if child == 0:
        os._exit(0 if beat.due() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("what", ["children", "in_flight", "spool_bytes"])
def test_a_pool_that_can_not_tell_is_no_reason_to_be_silent(what: str) -> None:
    """While a worker starts or ends its pool may be half made: the sign of life comes all the same."""

    def broken() -> None:
        raise AttributeError("_pool")

    event = beating(Clock(), **{what: broken}).due()
    assert event is not None
    assert event.data[what] in (0, [])
