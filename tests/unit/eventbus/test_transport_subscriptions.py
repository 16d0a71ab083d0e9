"""Which message is next on a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventbus.sqlite_bus import Bus
from eventbus.sqlite_exchanges import QueueOptions
from eventbus.sqlite_queues import Parcel
from eventbus.sqlite_subscriptions import LEASES_AT_ONCE, Subscriptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    """A bus whose queues `a` and `b` hold three messages each."""
    bus = Bus(tmp_path / "bus.sqlite")
    for queue in ("a", "b"):
        bus.declare_queue(queue, QueueOptions())
        for number in range(3):
            bus.queues.publish(Parcel(f"{queue}{number}", b""), "", queue)
    return bus


@pytest.fixture
def subscriptions(bus: Bus) -> Subscriptions:
    """The consumers of one channel."""
    return Subscriptions(bus.queues, bus.exchanges)


def take(subscriptions: Subscriptions, room: int | None, times: int = 9) -> list[str]:
    """Name the next messages until there is none."""
    found = (subscriptions.next(room) for _ in range(times))
    return [pair[1].head for pair in found if pair]


def leased(bus: Bus) -> int:
    """Count the leases in the file."""
    return int(bus._file.read("SELECT count(*) FROM message WHERE owner IS NOT NULL")[0][0])


def test_queues_take_turns(subscriptions: Subscriptions) -> None:
    """With room for one, queues are served in turn: a long one cannot starve the other."""
    for queue in ("a", "b"):
        subscriptions.add(queue, queue, print, no_ack=False)
    assert take(subscriptions, 1) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_no_more_is_leased_than_there_is_room(bus: Bus, subscriptions: Subscriptions) -> None:
    """A batch is as large as the room, and without a limit as large as is good."""
    subscriptions.add("one", "a", print, no_ack=False)
    assert (take(subscriptions, 2, times=1), leased(bus)) == (["a0"], 2)
    assert (take(subscriptions, 0), leased(bus)) == ([], 2)
    for _ in range(LEASES_AT_ONCE * 2):
        bus.queues.publish(Parcel("", b""), "", "b")
    subscriptions.remove("one")
    subscriptions.add("two", "b", print, no_ack=False)
    subscriptions.next(None)
    assert leased(bus) == 1 + LEASES_AT_ONCE


def test_who_never_acknowledges_needs_no_room(bus: Bus, subscriptions: Subscriptions) -> None:
    """A consumer without acknowledgements is served while others are held back, and nothing is leased for it."""
    subscriptions.add("held", "a", print, no_ack=False)
    subscriptions.add("served", "b", print, no_ack=True)
    assert (take(subscriptions, 0), leased(bus)) == (["b0", "b1", "b2"], 0)


def test_what_was_not_given_out_goes_back(bus: Bus, subscriptions: Subscriptions) -> None:
    """Cancelling a consumer gives back what was leased for it and not delivered, as new."""
    subscriptions.add("tag", "a", print, no_ack=False)
    assert take(subscriptions, 3, times=1) == ["a0"]
    subscriptions.remove("tag")
    subscriptions.remove("tag")
    assert (leased(bus), bus.exchanges.consumers("a")) == (1, 0)
    assert [(each.head, each.redelivered) for each in bus.queues.lease("a", 9)] == [("a1", False), ("a2", False)]
