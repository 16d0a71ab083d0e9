"""The queue in memory: bounded, never waiting, gathering a batch for the one thread that sends."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from eventbus import letters
from eventbus.letters import BATCH_BYTES, BATCH_EVENTS, Letter, Outgoing, bundles

if TYPE_CHECKING:
    import pytest


def letter(number: int, size: int = 0) -> Letter:
    """Make a letter that tells its number."""
    return Letter("failures", str(number).encode().ljust(size))


def test_a_full_queue_refuses_and_does_not_wait() -> None:
    """What goes beyond the bound is refused at once; what was taken makes room when it is done, not before."""
    queue = Outgoing(max_bytes=2)
    assert [queue.put(letter(number), urgent=False) for number in range(3)] == [True, True, False]
    assert queue.take(0) == [letter(0), letter(1)]
    assert not queue.put(letter(4), urgent=False)
    queue.done()
    assert queue.put(letter(5), urgent=False)


def test_a_batch_has_a_largest_size_and_keeps_the_order() -> None:
    """A batch holds at most BATCH_EVENTS letters, oldest first; the rest stays."""
    queue = Outgoing(max_bytes=1 << 20)
    letters = [letter(number) for number in range(BATCH_EVENTS + 5)]
    for each in letters:
        queue.put(each, urgent=False)
    assert queue.take(0) == letters[:BATCH_EVENTS]
    assert queue.remaining() == letters
    queue.done()
    assert queue.take(0) == letters[BATCH_EVENTS:]


def test_one_that_waits_is_woken_by_the_first_letter() -> None:
    """A sender that waits without end gets the letter that another thread puts."""
    queue, got = Outgoing(max_bytes=9), list[list[Letter]]()
    waiting = threading.Thread(target=lambda: got.append(queue.take(None)))
    waiting.start()
    queue.put(letter(1), urgent=True)
    waiting.join(10)
    assert got == [[letter(1)]]


def test_a_closed_queue_refuses() -> None:
    """What comes after the end is refused, so that nobody waits for it."""
    queue = Outgoing(max_bytes=9)
    queue.press(close=True)
    assert not queue.put(letter(1), urgent=False)
    assert queue.idle


def test_a_letter_waits_shortly_for_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the first one after a rest: the run that makes it is about to end, and has the interpreter until then."""
    monkeypatch.setattr(letters, "BATCH_SECONDS", 0.2)
    queue = Outgoing(max_bytes=9)
    queue.put(letter(1), urgent=False)
    began = time.monotonic()
    assert queue.take(0) == [letter(1)]
    assert time.monotonic() - began >= 0.2


def test_a_letter_is_pressed_out_of_its_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for company leaves together once somebody presses."""
    monkeypatch.setattr(letters, "BATCH_SECONDS", 3600.0)
    queue = Outgoing(max_bytes=9)
    queue.put(letter(2), urgent=False)
    got: list[list[Letter]] = []
    waiting = threading.Thread(target=lambda: got.append(queue.take(None)))
    waiting.start()
    queue.put(letter(3), urgent=False)
    waiting.join(0.2)
    assert waiting.is_alive()
    queue.press()
    waiting.join(10)
    assert got == [[letter(2), letter(3)]]


def test_closing_wakes_the_sender() -> None:
    """A sender that waits without end returns with nothing when the queue is closed."""
    queue, got = Outgoing(max_bytes=9), list[list[Letter]]()
    waiting = threading.Thread(target=lambda: got.append(queue.take(None)))
    waiting.start()
    queue.press(close=True)
    waiting.join(10)
    assert got == [[]]


def test_idle_means_neither_waiting_nor_in_flight() -> None:
    """A queue whose letters are in flight is not idle."""
    queue = Outgoing(max_bytes=9)
    assert queue.idle
    queue.put(letter(1), urgent=False)
    queue.take(0)
    assert not queue.idle
    queue.done()
    assert queue.idle


def test_a_bundle_has_one_routing_key_and_a_bound_on_its_bytes() -> None:
    """Letters are split, in order, where the routing key changes or the bytes run out; a huge one goes alone."""
    half = BATCH_BYTES // 2
    given = [letter(1, half), letter(2, half), letter(3, half), Letter("telemetry", b"x"), letter(4, 3 * half)]
    assert list(bundles(given)) == [given[:2], given[2:3], given[3:4], given[4:]]
    assert list(bundles([])) == []
