"""Losses are said: by the process itself, by the parent for its children, and not more often than once in a while."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from eventbus.losses import Losses, Trouble

if TYPE_CHECKING:
    import pytest

PATIENCE = 10
LINE = re.compile(r"event\.dropped: (\d+) events, (\d+) spans")


def told(caplog: pytest.LogCaptureFixture) -> tuple[int, int]:
    """Add up what the log says: events, and spans."""
    found = [(int(events), int(spans)) for events, spans in LINE.findall(caplog.text)]
    return sum(events for events, _ in found), sum(spans for _, spans in found)


def wait_for(caplog: pytest.LogCaptureFixture, expected: tuple[int, int]) -> None:
    """Wait until the log has said so many."""
    deadline = time.monotonic() + PATIENCE
    while told(caplog) != expected:
        assert time.monotonic() < deadline, caplog.text
        time.sleep(0.01)


def test_the_first_loss_is_said_at_once_and_later_ones_together(caplog: pytest.LogCaptureFixture) -> None:
    """One line for the first; whatever follows within the time comes in one line, at the latest at the end."""
    losses = Losses()
    losses.note(2, "the spool is full", droppable=False)
    wait_for(caplog, (2, 0))
    for _ in range(50):
        losses.note(1, "no room", droppable=True)
    losses.note(1, "the last reason", droppable=False)
    assert told(caplog) == (2, 0)
    losses.close()
    assert told(caplog) == (3, 50)
    assert lines(caplog) == 2
    assert "the last reason" in caplog.text


def lines(caplog: pytest.LogCaptureFixture) -> int:
    """Count the lines about losses."""
    return len(LINE.findall(caplog.text))


def test_a_trouble_is_said_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """Losses that go on are counted in silence, and said together some time after something was kept again."""
    trouble = Trouble(quiet=60)
    for second in range(10_000):
        trouble.hear(b'[1,0,"full"]', second)
        trouble.tell(second)
    assert lines(caplog) == 1
    assert trouble.patience(10_000) is None
    trouble.hear(b"over", 10_000)
    trouble.tell(10_030)
    assert lines(caplog) == 1
    assert trouble.patience(10_030) == 30
    trouble.tell(10_060)
    assert told(caplog) == (10_000, 0)
    trouble.hear(b'[1,0,"full again"]', 10_061)
    trouble.tell(10_061)
    assert lines(caplog) == 3
    assert "full again" in caplog.text


def test_one_child_that_keeps_something_does_not_end_the_trouble_of_another(caplog: pytest.LogCaptureFixture) -> None:
    """While anybody loses something within the quiet time, the trouble lasts, and is not said again."""
    trouble = Trouble(quiet=60)
    for second in range(0, 1000, 50):
        trouble.hear(b'[1,0,"full"]', second)
        trouble.hear(b"over", second + 1)
        trouble.tell(second + 1)
    assert lines(caplog) == 1


def test_the_end_of_a_trouble_is_said_without_another_loss(caplog: pytest.LogCaptureFixture) -> None:
    """The process that says it wakes up by itself when the quiet time is over."""
    losses = Losses(quiet=0.05)
    losses.note(1, "a", droppable=False)
    wait_for(caplog, (1, 0))
    losses.note(1, "b", droppable=False)
    losses.over()
    wait_for(caplog, (2, 0))
    losses.close()


def test_children_tell_their_parent(caplog: pytest.LogCaptureFixture) -> None:
    """What forked children lose is said in the parent's log, and adds up; a child says nothing itself."""
    losses = Losses()
    losses.share()
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            losses.after_fork()
            for _ in range(100):
                losses.note(1, f"child {number}", droppable=True)
            losses.close()
            os._exit(0 if losses._teller is None else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    losses.listen()
    losses.close()
    assert told(caplog) == (0, 300)


def test_a_parent_that_does_not_listen_blocks_no_child() -> None:
    """A full pipe delays the word: nothing waits for the parent, and the count is kept for later."""
    losses = Losses()
    losses.share()
    child = os.fork()
    if child == 0:
        losses.after_fork()
        for _ in range(5_000):
            losses.note(1, "x" * 300, droppable=False)
        os._exit(0 if losses._untold[0] > 0 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_child_of_a_process_that_does_not_share_says_it_itself(caplog: pytest.LogCaptureFixture) -> None:
    """A web server's child has a log and a count of its own."""
    losses = Losses()
    losses.note(1, "the parent's", droppable=False)
    wait_for(caplog, (1, 0))
    child = os.fork()
    if child == 0:
        losses.after_fork()
        losses.note(1, "the child's", droppable=False)
        os._exit(0 if losses._teller is not None and losses._owner == os.getpid() else 1)
    assert os.waitpid(child, 0)[1] == 0
    losses.close()
    assert told(caplog) == (1, 0)
