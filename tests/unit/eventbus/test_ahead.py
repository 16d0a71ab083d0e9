"""Letters written down before they are sent: a killed process loses none, and what has arrived takes no room."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from eventbus.ahead import Ahead
from eventbus.letters import Letter
from eventbus.limits import Limits
from eventbus.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLENTY = 1 << 20


def letters(count: int) -> list[Letter]:
    """Make letters that differ."""
    return [Letter("failures", b"%05d" % number) for number in range(count)]


def left(folder: Path) -> list[Letter]:
    """Give what the next process finds."""
    spool = Spool(folder, Limits())
    spool.adopt()
    found: list[Letter] = []
    while (reading := spool.peek()).kept:
        found += reading.letters
        spool.forget(reading.size)
    spool.close()
    return found


def held(ahead: Ahead, letter: Letter) -> Callable[[], None]:
    """Hold a letter for which there is room."""
    release = ahead.hold(letter)
    assert release is not None
    return release


def test_what_a_killed_process_held_is_found(tmp_path: Path) -> None:
    """A process that is killed right after it wrote a letter down leaves it to the next."""
    child = os.fork()
    if child == 0:
        ahead = Ahead(tmp_path, PLENTY)
        for letter in letters(500):
            held(ahead, letter)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert left(tmp_path) == letters(500)
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_what_it_holds(tmp_path: Path) -> None:
    """Nobody else sends what a living process has written down."""
    ahead = Ahead(tmp_path, PLENTY)
    held(ahead, letters(1)[0])
    assert left(tmp_path) == []
    ahead.close()
    assert left(tmp_path) == letters(1)


def test_a_page_is_emptied_once_all_it_holds_has_arrived(tmp_path: Path) -> None:
    """Released letters take no room, however many there were, and nothing of them is left at the end."""
    ahead = Ahead(tmp_path, PLENTY)
    for _ in range(50):
        for release in [held(ahead, letter) for letter in letters(100)]:
            release()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]
    ahead.close()
    assert list(tmp_path.iterdir()) == []


def test_under_a_steady_stream_the_pages_take_turns(tmp_path: Path) -> None:
    """Letters that are never all released at one time still find room: a full page waits, the other is written."""
    ahead = Ahead(tmp_path, PLENTY)
    waiting: list[Callable[[], None]] = []
    for letter in letters(20_000):
        waiting.append(held(ahead, letter))
        if len(waiting) > 100:
            waiting.pop(0)()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * PLENTY // 16


def test_what_finds_no_room_is_not_held(tmp_path: Path) -> None:
    """Two full pages take no more, and say so; a letter longer than a page is not held either."""
    ahead = Ahead(tmp_path, PLENTY)
    releases = []
    while (release := ahead.hold(letters(1)[0])) is not None:
        releases.append(release)
    assert 2000 < len(releases) < 2 * PLENTY // 16 // 5
    for each in releases:
        each()
    assert ahead.hold(Letter("failures", b"x" * PLENTY)) is None
    assert ahead.hold(letters(1)[0]) is not None


def test_a_folder_that_cannot_be_written_holds_nothing_and_raises_nothing(tmp_path: Path) -> None:
    """Where the folder is a file, nothing is held."""
    (tmp_path / "file").touch()
    assert Ahead(tmp_path / "file" / "folder", PLENTY).hold(letters(1)[0]) is None


def test_a_forked_child_has_pages_of_its_own(tmp_path: Path) -> None:
    """A child writes into files of its own, and its end leaves the parent's as they are."""
    ahead = Ahead(tmp_path, PLENTY)
    first, second, third = letters(3)
    release = held(ahead, first)
    child = os.fork()
    if child == 0:
        ahead.abandon()
        held(ahead, second)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert left(tmp_path) == [second]
    held(ahead, third)
    release()
    ahead.close()
    assert left(tmp_path) == [first, third]
