"""Closing a publisher in a child of a fork: at once where the bus is known to be away, and sent where it is not."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

import kombu
import pytest

import eventbus.transport  # noqa: F401 - registers redrive+sqlite://
from eventbus import topology, wire
from eventbus.limits import limits_of
from eventbus.publisher import Publisher
from eventbus.spool import Spool
from tests.proxy import Cut, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Of a child that hangs: it is ended then, and the test fails.
HANGS_AFTER = 20


def event(name: str) -> wire.Event:
    """Make an event."""
    return wire.Event(name, "urn:test", wire.TASK_FAILED, datetime(2026, 11, 20, tzinfo=UTC), {"name": name})


def in_child(work: Callable[[], None]) -> int:
    """Do some work in a fork; gives its exit code, or the number of the signal that ended it, negative."""
    child = os.fork()
    if child == 0:
        signal.alarm(HANGS_AFTER)
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def hole() -> Iterator[str]:
    """The URL of a bus that takes connections and never says a word."""
    with Proxy("amqp://guest:guest@127.0.0.1:1//") as proxy:
        proxy.cut(Cut.BLACK_HOLE)
        yield proxy.url


@pytest.mark.parametrize("connecting", [True, False], ids=["in a connect", "before its connect"])
def test_a_child_waits_for_no_connect_where_its_parent_found_the_bus_away(
    hole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, connecting: bool
) -> None:
    """Its event and what its sources tell are in the spool, and told as kept, though its connect would never end."""
    publisher = Publisher(hole, tmp_path)
    waiting = [event("counts")]
    publisher.attach(lambda: waiting.pop() if waiting and os.getpid() != parent else None)
    parent = os.getpid()
    monkeypatch.setattr("eventbus.bus.CONNECT_SECONDS", 0.1)
    publisher.publish(event("parent"))
    assert not publisher.flush(5)

    def work() -> None:
        begun, kept = Event(), list[bool]()

        def deliver(*_: object) -> None:
            begun.set()
            Event().wait()

        monkeypatch.setattr(publisher._sender, "_deliver", deliver)
        publisher.publish(event("child"), urgent=True, on_kept=lambda: kept.append(True))
        if connecting:
            begun.wait()
        publisher.close(600)
        os._exit(0 if kept == [True] else 2)

    assert in_child(work) == 0
    publisher.close(0.1)
    assert {"child", "counts"} <= spooled(publisher, tmp_path)


def spooled(publisher: Publisher, folder: Path) -> set[str]:
    """Name the events in the files of processes that are dead."""
    (inner,) = folder.iterdir()
    publisher._spool.abandon()
    spool = Spool(inner, limits_of())
    spool.adopt()
    names: set[str] = set()
    while (reading := spool.peek()).kept:
        names |= {each.id for letter in reading.letters for each in wire.decode(wire.join([letter.body]))}
        spool.forget(reading.size)
    return names


def test_a_child_of_a_parent_that_knows_nothing_sends_what_waits(tmp_path: Path) -> None:
    """Where nobody found the bus away a child that closes at once connects, and its event arrives."""
    url = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    publisher = Publisher(url, tmp_path / "spool")

    def work() -> None:
        publisher.publish(event("child"))
        publisher.close(HANGS_AFTER)
        os._exit(0)

    assert in_child(work) == 0
    assert arrived(url) == ["child"]


def arrived(url: str) -> list[str]:
    """Take the names of the events from the bus."""
    with kombu.Connection(url) as connection, closing(connection.channel()) as channel:
        bound = next(each for each in topology.queues(url) if each.name.endswith("failures"))(channel)
        bound.declare()
        names = []
        while (message := bound.get(no_ack=True)) is not None:
            names += [each.id for each in wire.decode(message.body)]
        return names
