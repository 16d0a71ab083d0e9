"""Messages of the server-less bus: order, leases, and what becomes of them when their owner dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest

from eventbus.sqlite_exchanges import Exchanges, QueueOptions
from eventbus.sqlite_file import BusFile
from eventbus.sqlite_queues import Parcel, Queues

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue
    from pathlib import Path

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def file(tmp_path: Path) -> BusFile:
    """A bus file with the queue `q`."""
    file = BusFile(tmp_path / "bus.sqlite")
    Exchanges(file).declare_queue("q", QueueOptions())
    return file


@pytest.fixture
def queues(file: BusFile) -> Queues:
    """Its messages."""
    return Queues(file)


def put(queues: Queues, *heads: str) -> None:
    """Publish messages to `q`."""
    for head in heads:
        assert queues.publish(Parcel(head, head.encode()), "", "q") == 1


def heads(queues: Queues, limit: int = 100) -> list[str]:
    """Lease messages and name them."""
    return [delivery.head for delivery in queues.lease("q", limit)]


def test_a_message_comes_as_it_was_sent(queues: Queues) -> None:
    """Head and body come whole, and a first delivery says so."""
    queues.publish(Parcel("über", bytes(range(256))), "", "q")
    (delivery,) = queues.lease("q", 1)
    assert (delivery.head, delivery.body, delivery.redelivered) == ("über", bytes(range(256)), False)


def test_the_higher_priority_leaves_first_then_the_older(queues: Queues) -> None:
    """Messages leave by priority, and within one priority in their order."""
    for head, priority in (("a", 0), ("b", 5), ("c", 9), ("d", 5), ("e", 0)):
        queues.publish(Parcel(head, b"", priority), "", "q")
    assert heads(queues, 3) == ["c", "b", "d"]
    assert heads(queues) == ["a", "e"]


def test_a_leased_message_is_nobody_elses(queues: Queues, file: BusFile) -> None:
    """A lease takes a message out of the queue until it is acknowledged, and then for ever."""
    put(queues, "a", "b")
    (first,) = queues.lease("q", 1)
    assert (queues.size("q"), heads(Queues(BusFile(file.path)))) == (1, ["b"])
    queues.acknowledge(first.id)
    queues.acknowledge(first.id)
    assert file.read("SELECT head FROM message") == [("b",)]


def test_a_released_message_returns_to_its_place(queues: Queues) -> None:
    """What goes back unseen is as new; what was seen is marked as redelivered; both keep their place."""
    put(queues, "a", "b", "c")
    first, second = queues.lease("q", 2)
    queues.release([second.id], redelivered=True)
    queues.release([first.id], redelivered=False)
    assert [(each.head, each.redelivered) for each in queues.lease("q", 9)] == [("a", False), ("b", True), ("c", False)]


def test_a_message_taken_is_forgotten(queues: Queues, file: BusFile) -> None:
    """A consumer without acknowledgements leaves no leased row behind."""
    put(queues, "a", "b")
    assert [delivery.head for delivery in queues.take("q")] == ["a"]
    assert file.read("SELECT head, owner FROM message") == [("b", None)]


def test_a_purge_spares_what_is_leased(queues: Queues) -> None:
    """Purging deletes what waits, and tells how much."""
    put(queues, "a", "b", "c")
    (leased,) = queues.lease("q", 1)
    assert queues.purge("q") == 2
    queues.release([leased.id], redelivered=True)
    assert heads(queues) == ["a"]


def test_a_message_for_no_queue_is_not_stored(queues: Queues) -> None:
    """The number of queues that took a message is told: none is an answer."""
    assert queues.publish(Parcel("a", b""), "", "elsewhere") == 0
    assert queues.publish(Parcel("a", b""), "no such exchange", "q") == 0
    assert queues.size("q") == 0


def lease_and_wait(path: Path, leased: SimpleQueue[list[str]]) -> None:
    """Lease two messages in a process of one's own, and never settle them."""
    leased.put(heads(Queues(BusFile(path)), 2))
    signal.pause()


def test_what_a_killed_process_held_is_delivered_again(queues: Queues, file: BusFile) -> None:
    """A living process keeps its leases; once killed it loses them all, to their places and marked as redelivered."""
    put(queues, "a", "b", "c")
    leased: SimpleQueue[list[str]] = FORK.SimpleQueue()
    process = FORK.Process(target=lease_and_wait, args=(file.path, leased))
    process.start()
    assert leased.get() == ["a", "b"]
    assert (queues.free_dead(), queues.size("q")) == (0, 1)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert (queues.free_dead(), queues.free_dead()) == (2, 0)
    assert [(each.head, each.redelivered) for each in queues.lease("q", 9)] == [("a", True), ("b", True), ("c", False)]


def test_what_was_held_before_a_reboot_is_delivered_again(queues: Queues, file: BusFile) -> None:
    """A lease of an earlier boot is freed, though a process of that id and that start runs now."""
    put(queues, "a")
    queues.lease("q", 1)
    assert queues.free_dead() == 0
    file.write("UPDATE owner SET boot = 'the boot before'", durable=True)
    file.close()
    assert queues.free_dead() == 1
    assert heads(queues) == ["a"]


def test_a_late_acknowledgement_deletes_nothing(queues: Queues, file: BusFile) -> None:
    """Who lost a lease can no longer settle the message."""
    put(queues, "a")
    (delivery,) = queues.lease("q", 1)
    file.write("UPDATE message SET owner = owner + 1", durable=True)
    queues.acknowledge(delivery.id)
    queues.release([delivery.id], redelivered=True)
    assert file.read("SELECT owner IS NULL FROM message") == [(0,)]


def drain(path: Path, got: SimpleQueue[list[str]]) -> None:
    """Lease and acknowledge everything, three at a time."""
    queues, seen = Queues(BusFile(path)), []
    while batch := queues.lease("q", 3):
        for delivery in batch:
            queues.acknowledge(delivery.id)
            seen.append(delivery.head)
    got.put(seen)


def test_processes_share_a_queue_and_no_message(queues: Queues, file: BusFile) -> None:
    """Several processes that drain one queue get every message once between them."""
    put(queues, *(str(number) for number in range(300)))
    got: SimpleQueue[list[str]] = FORK.SimpleQueue()
    children = [FORK.Process(target=drain, args=(file.path, got)) for _ in range(3)]
    for child in children:
        child.start()
    seen = [head for _ in children for head in got.get()]
    for child in children:
        child.join()
    assert sorted(seen, key=int) == [str(number) for number in range(300)]
    assert file.read("SELECT count(*) FROM message") == [(0,)]
