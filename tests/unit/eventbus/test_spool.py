"""The spool: whole records in order, a torn tail cut off, bounded, and taken over from dead processes alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eventbus.letters import Letter
from eventbus.limits import Limits
from eventbus.records import pack
from eventbus.spool import Spool, folder_for

A, B, C = (Letter("failures", name.encode()) for name in "abc")
PLENTY = Limits(1 << 20)


def drain(spool: Spool) -> list[Letter]:
    """Read everything, as one does whose every send succeeds, damaged stretches left out."""
    got: list[Letter] = []
    while True:
        reading = spool.peek()
        if reading.skip:
            assert spool.sweep() == ([], 1)
        elif reading.kept:
            spool.forget(reading.size)
            got += reading.letters
        else:
            return got


def files(folder: Path) -> list[Path]:
    """List the spool's files."""
    return sorted(folder.glob("*.spool"))


def test_letters_come_back_in_order(tmp_path: Path) -> None:
    """What is appended in parts is read in order; an emptied spool takes no room."""
    spool = Spool(tmp_path, PLENTY)
    assert spool.append([A, B]) == []
    assert spool.append([C]) == []
    assert not spool.empty
    assert drain(spool) == [A, B, C]
    assert spool.empty
    assert spool.stored_bytes() == 0


def test_what_was_not_forgotten_is_read_again(tmp_path: Path) -> None:
    """Reading without forgetting gives the same letters again: they were not sent."""
    spool = Spool(tmp_path, PLENTY)
    spool.append([A])
    assert spool.peek() == spool.peek()
    spool.append([B])
    assert drain(spool) == [A, B]


def test_leftovers_of_the_dead_come_first_and_their_files_go(tmp_path: Path) -> None:
    """A spool takes over what closed ones left, oldest first, before its own, and deletes what it drained."""
    for letter in (A, B):
        dead = Spool(tmp_path, PLENTY)
        dead.append([letter])
        dead.close()
    spool = Spool(tmp_path, PLENTY)
    spool.append([C])
    spool.adopt()
    assert drain(spool) == [A, B, C]
    assert len(files(tmp_path)) == 1
    spool.close()
    assert files(tmp_path) == []


def test_a_living_process_keeps_its_file(tmp_path: Path) -> None:
    """A file whose owner lives is not taken over; once the owner is killed, it is."""
    code = (
        "import sys, pathlib; from eventbus.spool import Spool; from eventbus.letters import Letter;"
        "from eventbus.limits import Limits;"
        "Spool(pathlib.Path(sys.argv[1]), Limits(999)).append([Letter('failures', b'a')]); print('kept', flush=True);"
        "sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"kept\n"
        spool = Spool(tmp_path, PLENTY)
        spool.adopt()
        assert spool.empty
    finally:
        owner.kill()
        owner.communicate()
    spool.adopt()
    assert drain(spool) == [A]


def test_a_forked_child_leaves_the_parents_file_alone(tmp_path: Path) -> None:
    """A child that lets go of the inherited file does not free the parent's lock."""
    spool = Spool(tmp_path, PLENTY)
    spool.append([A])
    child = os.fork()
    if child == 0:
        spool.abandon()
        other = Spool(tmp_path, PLENTY)
        other.adopt()
        os._exit(0 if other.empty else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert drain(spool) == [A]


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_torn_tail_is_cut(tmp_path: Path, cut: int) -> None:
    """A record that was written in part is cut off and counted; the whole ones before it are sent."""
    dead = Spool(tmp_path, PLENTY)
    dead.append([A, B])
    dead.close()
    (path,) = files(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    spool = Spool(tmp_path, PLENTY)
    spool.adopt()
    assert spool.peek().letters == [A]
    spool.forget(spool.peek().size)
    assert spool.sweep() == ([], 1)
    assert spool.peek().kept == []
    assert files(tmp_path) == []


def test_zeros_are_no_record(tmp_path: Path) -> None:
    """A tail of zeros, as a crashed file system leaves it, ends the file."""
    (tmp_path / "1-1.spool").write_bytes(pack(A, time.time()) + bytes(64))
    spool = Spool(tmp_path, PLENTY)
    spool.adopt()
    assert drain(spool) == [A]


def test_a_damaged_record_in_the_middle_costs_itself_alone(tmp_path: Path) -> None:
    """Whichever byte of the second of three records is damaged, the first and the third are sent."""
    first, second, third = (pack(letter, time.time()) for letter in (A, B, C))
    for at in range(len(second)):
        damaged = second[:at] + bytes([second[at] ^ 0x41]) + second[at + 1 :]
        (tmp_path / "1-1.spool").write_bytes(first + damaged + third)
        spool = Spool(tmp_path, PLENTY)
        spool.adopt()
        assert drain(spool) == [A, C]
        spool.close()


def test_damage_longer_than_one_read_is_skipped(tmp_path: Path) -> None:
    """Megabytes of rubbish at the start of a file hide nothing that stands behind them."""
    (tmp_path / "1-1.spool").write_bytes(b"x" * (5 << 20) + pack(A, time.time()))
    spool = Spool(tmp_path, PLENTY)
    spool.adopt()
    assert spool.peek().skip == 5 << 20
    assert drain(spool) == [A]


def test_what_waits_too_long_is_left_behind(tmp_path: Path) -> None:
    """The oldest letters go once they are older than the limit; each is given, to be counted. Others stay."""
    now = time.time()
    ages = ((A, 100), (B, 61), (C, 30))
    (tmp_path / "1-1.spool").write_bytes(b"".join(pack(letter, now - age) for letter, age in ages))
    spool = Spool(tmp_path, Limits(1 << 20, max_age=60))
    spool.adopt()
    assert spool.sweep() == ([A, B], 0)
    assert spool.sweep() == ([], 0)
    assert drain(spool) == [C]


def test_a_long_file_is_followed_by_another_and_goes_once_it_is_drained(tmp_path: Path) -> None:
    """Under a steady stream what was sent takes no room for ever: order stays, drained files go."""
    spool = Spool(tmp_path, Limits(8 * 100))
    numbers = [Letter("failures", b"%03d" % number) for number in range(40)]
    for number in numbers[:20]:
        assert spool.append([number]) == []
    got: list[Letter] = []
    for number in numbers[20:]:
        reading = spool.peek()
        got += reading.letters
        spool.forget(reading.size)
        assert spool.append([number]) == []
    assert got + drain(spool) == numbers
    assert len(files(tmp_path)) == 1


def test_a_letter_larger_than_one_read_comes_back(tmp_path: Path) -> None:
    """A record larger than what is read at once is read whole."""
    huge = Letter("failures", b"x" * (3 << 20))
    spool = Spool(tmp_path, Limits(9 << 20))
    spool.append([huge, A])
    assert drain(spool) == [huge, A]


def test_the_folder_is_bounded_with_a_reserve_for_failures(tmp_path: Path) -> None:
    """Beyond the bound nothing is kept; spans find no room first, then telemetry, then failures; all files count."""
    size = len(pack(A, time.time()))
    other = Spool(tmp_path, PLENTY)
    other.append([A] * 4)
    spool = Spool(tmp_path, Limits(size * 10 + 3))
    telemetry = Letter("telemetry", b"a")
    span = Letter("telemetry", b"s", droppable=True)
    assert spool.append([span]) == [span]
    assert spool.append([telemetry] * 5) == [telemetry] * 2
    assert len(spool.append([A] * 9)) == 6
    assert drain(spool) == [telemetry] * 3 + [A] * 3


def test_each_bus_has_a_folder_whatever_its_password(tmp_path: Path) -> None:
    """What was meant for one bus never leaves for another; a new password does not orphan what waits."""
    first = folder_for(tmp_path, "amqp://me:old@host:5672/a")
    assert folder_for(tmp_path, "amqp://me:new@host:5672/a") == first
    assert folder_for(tmp_path, "amqp://me:old@host:5672/b") != first
    assert folder_for(tmp_path, "redrive+sqlite:////a") != folder_for(tmp_path, "redrive+sqlite:////b")
    assert "old" not in first.name


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    """Arguments of tasks may be secret: nobody else can read the file."""
    spool = Spool(tmp_path / "new", PLENTY)
    spool.append([A])
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    assert files(tmp_path / "new")[0].stat().st_mode & 0o077 == 0
