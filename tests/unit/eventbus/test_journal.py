"""The journal: what is in flight in a worker, whatever happens to its processes."""

from __future__ import annotations

import os
import resource
import signal
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventbus import journal as journal_module
from eventbus.journal import Journal, folder_of
from eventbus.journal_files import ENDS, RUNS
from eventbus.journal_payload import unpacked
from eventbus.journal_records import Flight, flight_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RECORD: dict[str, Any] = {
    "task_id": "t-1",
    "task": "tasks.add",
    "pid": 1,
    "message": {
        "body": b"\xff\x00[]",
        "headers": {"id": "t-1", "timelimit": [None, None], "stamps": {}},
        "properties": {},
    },
}


def opened(folder: Path) -> Journal:
    """Open the journal of a worker in this process."""
    return Journal.open(folder, "celery@here", str(uuid4()))


def contents(place: Path) -> tuple[bytes, tuple[bytes, bytes]]:
    """Read what is in a journal's files."""
    return (place / RUNS).read_bytes(), ((place / ENDS[0]).read_bytes(), (place / ENDS[1]).read_bytes())


def in_flight(place: Path) -> Counter[str]:
    """Count what the files of a journal show as running, as a reader would."""
    return counted(flight_of(*contents(place)))


def counted(flight: Flight) -> Counter[str]:
    """Count the runs that are in flight, by name."""
    return Counter({name.decode(): len(runs) for name, runs in flight.begun.items()})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Open a journal, and close it after the test."""
    made = opened(tmp_path)
    yield made
    made.close()


KEYS = st.sampled_from(["a/0/none", "a/1/none", "b/0/x\n"])
STEPS = st.lists(st.tuples(st.sampled_from(["began", "ended", "early", "late"]), KEYS), max_size=20)


def acts(steps: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Spell the steps out; the end of a short run may be written before its beginning, and before another run's."""
    running: Counter[str] = Counter()
    for what, key in steps:
        if what == "began" or (what == "ended" and running[key]):
            running[key] += 1 if what == "began" else -1
            yield what, key
        elif what in {"early", "late"}:
            yield "ended", key
            if what == "late":
                yield "began", "other/0/none"
                running["other/0/none"] += 1
            yield "began", key


@given(steps=STEPS, turn_runs=st.integers(2, 4))
@settings(max_examples=100, deadline=None)
def test_any_order_of_beginnings_and_ends_leaves_what_began_more_often(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[str, str]], turn_runs: int
) -> None:
    """After each step a reader of the files finds the runs that began more often than they ended, and no others.

    An end may come before its beginning, a name may come again, and the files take turns all the time.
    """
    made = opened(tmp_path_factory.mktemp("journal"))
    expected: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "TURN_RUNS", turn_runs)
        for what, key in acts(steps):
            made.began(key, RECORD) if what == "began" else made.ended(key)
            expected[key.replace("\n", "\\n")] += 1 if what == "began" else -1
            assert in_flight(made.place) == +expected
    made.close()


def test_a_record_comes_back_as_it_was_given(journal: Journal) -> None:
    """A body of bytes stays bytes, what JSON lacks is tagged, and a message that is an event's already stays one."""
    raw = {**RECORD["message"], "headers": {"b": b"\xff", "n": float("nan"), "o": {"$bytes": "x"}}}
    surrogate = {
        **RECORD["message"],
        "headers": {"s": "\ud800"},
        "properties": {"timestamp": datetime(2026, 11, 20, tzinfo=UTC)},
    }
    event = {**RECORD["message"], "body": "W10=", "headers": {"b": {"$bytes": "/w=="}}}
    journal.began("raw", {**RECORD, "message": raw})
    journal.began("surrogate", {**RECORD, "message": surrogate})
    journal.began("event", {**RECORD, "message": event})
    begun = flight_of(*contents(journal.place)).begun
    frozen = {"b": {"$bytes": "/w=="}, "n": {"$float": "nan"}, "o": {"$object": {"$bytes": "x"}}}
    assert unpacked(begun[b"raw"][0])[0] == {**RECORD, "message": {**raw, "headers": frozen}}
    told = {"headers": {"s": "?"}, "properties": {"timestamp": {"$time": "2026-11-20T00:00:00+00:00"}}}
    assert unpacked(begun[b"surrogate"][0])[0] == {**RECORD, "message": {**surrogate, **told}}
    assert unpacked(begun[b"event"][0])[0] == {**RECORD, "message": event}


def test_a_torn_end_of_any_length_costs_only_what_was_torn(journal: Journal) -> None:
    """However many bytes of the last record, or of the last line, reached the disk, the others are read whole."""
    journal.began("first", RECORD)
    journal.began("second", RECORD)
    journal.ended("first")
    runs, (ends, other) = contents(journal.place)
    second = runs.index(b"second")
    for size in range(second, len(runs)):
        assert counted(flight_of(runs[:size], (b"", b""))) == Counter(["first"])
    for size in range(len(ends) - 1):  # the very last byte, a line break, is also the first one of the next line
        assert counted(flight_of(runs, (ends[:size] + b"\nnext .\n", other))) == Counter(["first", "second"])
    assert in_flight(journal.place) == Counter(["second"])


def test_damage_in_the_middle_costs_only_what_it_hit(journal: Journal) -> None:
    """A byte that the disk changed makes one run unreadable; those before and after it are found."""
    for key in ("first", "second", "third"):
        journal.began(key, RECORD)
    runs, ends = contents(journal.place)
    at = runs.index(b"second")
    damaged = runs[:at] + b"S" + runs[at + 1 :]
    assert counted(flight_of(damaged, ends)) == Counter(["first", "third"])


@pytest.fixture
def looks(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """Collect what a reader finds before and after every call that changes a file."""
    seen: list[Counter[str]] = []

    def looking(name: str) -> None:
        plain = getattr(os, name)

        def look(*args: Any) -> Any:  # noqa: ANN401 - as os has it
            seen.append(in_flight(journal.place))
            done = plain(*args)
            seen.append(in_flight(journal.place))
            return done

        monkeypatch.setattr(os, name, look)

    for name in ("write", "ftruncate", "pwrite"):
        looking(name)
    monkeypatch.setattr(journal_module, "TURN_RUNS", 1)
    return seen


def test_a_kill_at_any_moment_of_a_turn_changes_nothing(journal: Journal, looks: list[Counter[str]]) -> None:
    """Before the new file of runs is there, after it, and once the ends are emptied, a reader finds the same runs.

    A run that ended two turns ago and began again is not taken for the one that ended.
    """
    for what, key in (("began", "a"), ("began", "b"), ("ended", "b"), ("began", "b"), ("began", "c"), ("began", "d")):
        journal.began(key, RECORD) if what == "began" else journal.ended(key)
    assert len(looks) > 20
    story = ["", "a", "ab", "a", "ab", "abc", "abcd"]
    assert [each for each, _ in groupby(looks)] == [Counter(each) for each in story]


def test_the_files_stay_small_however_many_runs_there_are(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is left behind; what never ends is carried on, each time."""
    monkeypatch.setattr(journal_module, "TURN_RUNS", 50)
    journal.began("stays", RECORD)
    for number in range(1000):
        journal.began(str(number), RECORD)
        journal.ended(str(number))
    runs, ends = contents(journal.place)
    assert len(runs) < 52 * 400
    assert max(map(len, ends)) < 101 * 20
    assert in_flight(journal.place) == Counter(["stays"])


def test_an_end_whose_beginning_never_came_is_let_go(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two turns later it is not carried on: what could not be written must not grow for ever."""
    monkeypatch.setattr(journal_module, "TURN_RUNS", 1)
    journal.ended("never")
    for number in range(3):
        journal.began(str(number), RECORD)
    assert b"never" not in b"".join([contents(journal.place)[0], *contents(journal.place)[1]])


def test_forked_and_executed_children_write_the_same_journal(journal: Journal) -> None:
    """A child, a child's child, and a process that was only told the place end runs; none of them begins one."""
    for key in ("child", "grandchild", "executed", "mine"):
        journal.began(key, RECORD)
    child = os.fork()
    if child == 0:
        journal.ended("child")
        journal.began("no", RECORD)
        if os.fork() == 0:
            journal.ended("grandchild")
            os._exit(0)
        os.wait()
        os._exit(0)
    os.waitpid(child, 0)
    Journal.join(journal.place).ended("executed")
    assert in_flight(journal.place) == Counter(["mine"])


def test_children_follow_when_the_files_take_turns(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that was forked before a turn writes to the file in use after it."""
    monkeypatch.setattr(journal_module, "TURN_RUNS", 1)
    (tell, told), (done, over) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        while key := os.read(tell, 1):
            journal.ended(key.decode())
            os.write(over, key)
        os._exit(0)
    for key in "abc":
        journal.began(key, RECORD)
        os.write(told, key.encode())
        os.read(done, 1)  # a child that sleeps while the files take turns twice is no case of this test
    os.close(told)
    os.waitpid(child, 0)
    assert in_flight(journal.place) == Counter()


def test_a_clean_end_leaves_nothing_and_another_one_what_ran(tmp_path: Path) -> None:
    """Closed without a run in flight the folder is gone; with one it stays for the next reader."""
    clean, other = opened(tmp_path), opened(tmp_path)
    for made in (clean, other):
        made.began("a", RECORD)
    clean.ended("a")
    clean.close()
    other.close()
    assert [place.name for place in tmp_path.iterdir()] == [other.place.name]
    assert in_flight(other.place) == Counter(["a"])


def test_only_its_user_may_read_it(journal: Journal) -> None:
    """Folders are 0700, files 0600, whatever the umask: messages are in it."""
    assert journal.place.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in journal.place.iterdir()} == {0o600}


def test_a_folder_that_refuses_is_said_once_and_harms_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a journal the worker works on."""
    (tmp_path / "file").write_text("no folder")
    made = opened(tmp_path / "file")
    made.began("a", RECORD)
    made.ended("a")
    made.close()
    assert [record.message.partition(":")[0] for record in caplog.records] == ["journal.unwritable"]


def test_a_full_disk_is_said_once_and_leaves_whole_records(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """What finds no room is not noted; what was noted stays readable, and an end is made up for once there is room."""
    journal.began("before", RECORD)
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((journal.place / RUNS).stat().st_size + 10, room[1]))
    try:
        journal.began("no room", RECORD)
        journal.began("none either", RECORD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
        signal.signal(signal.SIGXFSZ, before)
    journal.began("after", RECORD)
    assert in_flight(journal.place) == Counter(["before", "after"])
    assert [record.message.partition(":")[0] for record in caplog.records] == ["journal.not_written"]


def test_an_end_that_found_no_room_is_made_up_for(journal: Journal) -> None:
    """A run that is over must not count as lost because the disk was full for a moment."""
    journal.began("a", RECORD)
    journal.began("b", RECORD)
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, room[1]))
    try:
        journal.ended("a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
        signal.signal(signal.SIGXFSZ, before)
    assert in_flight(journal.place) == Counter(["a", "b"])
    journal.ended("b")
    assert in_flight(journal.place) == Counter()


def test_the_folder_is_one_buses_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beside the spool, or where REDRIVE_JOURNAL_DIR says; a password makes no difference, another bus does."""
    monkeypatch.delenv("REDRIVE_JOURNAL_DIR", raising=False)
    beside = folder_of(tmp_path, "amqp://me:secret@host//")
    assert beside.parent == tmp_path / "journal"
    assert folder_of(tmp_path, "amqp://me:other@host//") == beside
    assert folder_of(tmp_path, "amqp://me:secret@host/v") != beside
    monkeypatch.setenv("REDRIVE_JOURNAL_DIR", str(tmp_path / "own"))
    assert folder_of(None, "amqp://me:secret@host//").parent == tmp_path / "own"


@pytest.mark.parametrize("body", [b"[]", ""])
def test_a_run_is_noted_whatever_its_sender_wrote(journal: Journal, body: bytes | str) -> None:
    """Integers of more than 64 bits and halves of characters, in headers, names and ids, keep no run out."""
    headers = {"big": 1 << 70, "half": "\ud800"} if body else {"big": {"$int": "1"}}
    message = {"body": body, "headers": headers, "properties": {}, "exchange": "\ud800"}
    journal.began("t\ud800/0/none", {"task_id": "t\ud800", "task": "a", "pid": 1, "message": message})
    ((payload,),) = flight_of(*contents(journal.place)).begun.values()
    record, _ = unpacked(payload)
    assert record["task_id"] == "t?"
    assert record["message"]["headers"]["big"] == {"$int": str(1 << 70) if body else "1"}
    journal.ended("t\ud800/0/none")
    assert in_flight(journal.place) == Counter()
