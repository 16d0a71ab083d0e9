"""Exchanges, queues and bindings of the server-less bus, and which queues end with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventbus.sqlite_bus import SWEEP_SECONDS, Bus
from eventbus.sqlite_exchanges import DeclarationError, Exchanges, QueueOptions
from eventbus.sqlite_queues import Parcel
from eventbus.sqlite_schema import topic_matches

if TYPE_CHECKING:
    from pathlib import Path

EXCLUSIVE = QueueOptions(exclusive=True)
AUTO_DELETE = QueueOptions(auto_delete=True)


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    """A bus with the queues `a` and `b`."""
    bus = Bus(tmp_path / "bus.sqlite")
    for name in ("a", "b"):
        bus.exchanges.declare_queue(name, QueueOptions())
    return bus


def routed(bus: Bus, exchange: str, key: str) -> list[str]:
    """Publish once and name the queues that took it."""
    bus.queues.publish(Parcel("", b""), exchange, key)
    return [name for name in ("a", "b") if bus.queues.purge(name)]


def make_owners_dead(bus: Bus) -> None:
    """Make every process that ever declared or consumed look like one of an earlier boot."""
    bus._file.write("UPDATE owner SET boot = 'the boot before'", durable=True)
    bus._file.close()


@pytest.mark.parametrize(
    ("pattern", "key", "taken"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*", "", False),
        ("#", "", True),
        ("#", "a.b", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "ab", False),
        ("#.z", "a.b.z", True),
        ("#.z", "z.a", False),
        ("a.#.*.z", "a.b.z", True),
        ("a.#.*.z", "a.z", False),
        ("a+.(b", "a+.(b", True),
    ],
)
def test_a_topic_matches_word_by_word(pattern: str, key: str, taken: bool) -> None:
    """`*` stands for one word, `#` for any number of words, none included; nothing else is special."""
    assert topic_matches(pattern, key) is taken


def test_a_direct_exchange_takes_the_key_by_the_letter(bus: Bus) -> None:
    """A direct exchange routes to the queues bound with that very key, several or none."""
    bus.exchanges.declare_exchange("x", "direct")
    for queue, key in (("a", "k"), ("b", "k"), ("b", "a.*")):
        bus.exchanges.bind(queue, "x", key)
    assert [routed(bus, "x", key) for key in ("k", "a.*", "a.b")] == [["a", "b"], ["b"], []]


def test_a_topic_exchange_stores_one_copy_for_each_queue(bus: Bus) -> None:
    """A queue whose bindings match twice gets the message once."""
    bus.exchanges.declare_exchange("x", "topic")
    for queue, key in (("a", "#"), ("a", "a.*"), ("b", "z")):
        bus.exchanges.bind(queue, "x", key)
    assert bus.queues.publish(Parcel("", b""), "x", "a.b") == 1
    assert routed(bus, "x", "z") == ["a", "b"]


def test_a_fanout_exchange_ignores_the_key(bus: Bus) -> None:
    """A fanout exchange routes to every queue bound to it."""
    bus.exchanges.declare_exchange("x", "fanout")
    bus.exchanges.bind("a", "x", "some key")
    bus.exchanges.bind("b", "x", "")
    assert routed(bus, "x", "another") == ["a", "b"]


def test_unbinding_and_deleting_end_the_routing(bus: Bus) -> None:
    """What was unbound, or whose exchange is gone, gets nothing; the queue stays."""
    bus.exchanges.declare_exchange("x", "direct")
    bus.exchanges.bind("a", "x", "k")
    bus.exchanges.bind("a", "x", "k")
    bus.exchanges.bind("b", "x", "k")
    assert bus.exchanges.bindings() == [("a", "x", "k"), ("b", "x", "k")]
    bus.exchanges.unbind("a", "x", "k")
    assert routed(bus, "x", "k") == ["b"]
    bus.exchanges.delete_exchange("x")
    assert (bus.exchanges.bindings(), bus.exchanges.has_queue("b")) == ([], True)


def test_a_declaration_that_contradicts_is_refused(bus: Bus) -> None:
    """An exchange keeps its type, an unknown type is refused, and nothing is bound to what is not there."""
    bus.exchanges.declare_exchange("x", "topic")
    bus.exchanges.declare_exchange("x", "topic")
    with pytest.raises(DeclarationError, match="expected exchange 'x' to stay 'topic', got 'direct'"):
        bus.exchanges.declare_exchange("x", "direct")
    with pytest.raises(DeclarationError, match="got 'headers'"):
        bus.exchanges.declare_exchange("y", "headers")
    for queue, exchange in (("a", "y"), ("c", "x")):
        with pytest.raises(DeclarationError, match="declare both first"):
            bus.exchanges.bind(queue, exchange, "")


def test_deleting_a_queue_may_depend_on_its_use(bus: Bus) -> None:
    """A queue with messages or consumers is spared when that was asked; deleting tells how many messages waited."""
    bus.queues.publish(Parcel("", b""), "", "a")
    bus.exchanges.add_consumer("b")
    bus.exchanges.delete_queue("a", if_empty=True)
    bus.exchanges.delete_queue("b", if_unused=True)
    assert (bus.exchanges.has_queue("a"), bus.exchanges.has_queue("b")) == (True, True)
    bus.exchanges.declare_exchange("x", "fanout")
    bus.exchanges.bind("a", "x", "")
    assert (bus.exchanges.delete_queue("a"), bus.exchanges.bindings()) == (1, [])


def test_an_auto_delete_queue_goes_with_its_last_consumer(bus: Bus) -> None:
    """It waits for its first consumer, outlives the first of two, and goes with the second."""
    bus.declare_queue("reply", AUTO_DELETE)
    one, two = bus.exchanges.add_consumer("reply"), bus.exchanges.add_consumer("reply")
    assert bus.exchanges.consumers("reply") == 2
    bus.exchanges.remove_consumer(one, "reply")
    assert bus.exchanges.has_queue("reply")
    bus.exchanges.remove_consumer(two, "reply")
    assert not bus.exchanges.has_queue("reply")


def test_an_exclusive_queue_goes_with_its_connection(bus: Bus) -> None:
    """Closing the connection deletes its exclusive queues, and no others."""
    bus.declare_queue("mine", EXCLUSIVE)
    bus.close()
    assert (bus.exchanges.has_queue("mine"), bus.exchanges.has_queue("a")) == (False, True)


@pytest.mark.parametrize("options", [EXCLUSIVE, AUTO_DELETE])
def test_queues_of_a_dead_process_are_swept(bus: Bus, options: QueueOptions) -> None:
    """An exclusive or auto-delete queue whose process died is deleted with its messages and bindings."""
    bus.declare_queue("theirs", options)
    bus.exchanges.add_consumer("theirs")
    bus.queues.publish(Parcel("", b""), "", "theirs")
    bus.sweep(0.0)
    assert bus.exchanges.has_queue("theirs")
    make_owners_dead(bus)
    bus.sweep(SWEEP_SECONDS / 2)
    assert bus.exchanges.has_queue("theirs")
    bus.sweep(SWEEP_SECONDS)
    assert not bus.exchanges.has_queue("theirs")
    assert bus._file.read("SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM owner)") == [(0, 0)]


def test_an_exclusive_queue_is_another_process_s_until_that_dies(bus: Bus) -> None:
    """A queue exclusive to a living process is refused to others; a dead process's is taken over at once."""
    bus.declare_queue("mine", EXCLUSIVE)
    bus._file.write("UPDATE queue SET owner = owner + 1 WHERE name = 'mine'", durable=True)
    with pytest.raises(DeclarationError, match="exclusive to another process"):
        bus.declare_queue("mine", EXCLUSIVE)
    bus._file.write("UPDATE queue SET owner = owner - 1 WHERE name = 'mine'", durable=True)
    make_owners_dead(bus)
    bus.declare_queue("mine", EXCLUSIVE)
    assert not Exchanges(bus._file).is_locked("mine")
