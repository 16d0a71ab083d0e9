"""The file sink: whole lines or none, another file in time, and nothing lost in a crash or on a full disk."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from eventbus.wire import LLM_CALL
from orchestrator.domain.events import Deferred, Delivered, EventRecord, Rejected
from orchestrator.sinks import rotation
from orchestrator.sinks.file import FileSink
from tests.events import record, stored

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = 1_764_000_000.25


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def sink(folder: Path, clock: Clock | None = None, *, most: int = 100_000_000, keep: int = 0) -> FileSink:
    """Make a sink of this folder."""
    return FileSink(
        folder, [LLM_CALL], name="archive", rotate_bytes=most, rotate_seconds=60, keep=keep, clock=clock or Clock()
    )


def lines(files: Iterable[Path]) -> list[str]:
    """Give the keys of the lines of files, in their order; packed ones are read too."""
    texts = [gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes() for each in files]
    return [orjson.loads(line)["key"] for text in texts for line in text.split(b"\n") if line]


def keys(records: Iterable[EventRecord]) -> list[str]:
    """Give the keys of records."""
    return [str(each.key) for each in records]


def files(folder: Path, pattern: str = "archive-*.jsonl*") -> list[Path]:
    """List the files of the sink, oldest first."""
    return sorted(folder.glob(pattern))


def test_a_line_holds_the_key_and_the_event(tmp_path: Path) -> None:
    """Each line is JSON by itself: the key and the event as it was accepted, in the order of the log."""
    given = [record() for _ in range(3)]
    assert sink(tmp_path / "deep" / "events").deliver(stored(*given)) == Delivered()
    (file,) = files(tmp_path / "deep" / "events")
    read = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert [each["key"] for each in read] == keys(given)
    assert [each["event"] for each in read] == [orjson.loads(each.body) for each in given]
    assert file.name == "archive-20251124T160000.250000Z.jsonl"


def test_an_event_of_several_lines_becomes_one(tmp_path: Path) -> None:
    """Newlines between the tokens of its JSON do not break a line."""
    made = record()
    spread = EventRecord(made.key, made.id, made.source, made.type, made.time, made.lane, b'{\n"data": {\n}\n}')
    sink(tmp_path).deliver(stored(spread))
    assert lines(files(tmp_path)) == [str(made.key)]


def test_what_was_cut_off_is_taken_away_first(tmp_path: Path) -> None:
    """After a crash in mid-line the next batch begins on a line of its own, and the whole lines before it stay."""
    before, after = record(), record()
    sink(tmp_path).deliver(stored(before))
    (file,) = files(tmp_path)
    with file.open("ab") as torn:
        torn.write(b'{"key": "half' + b"x" * 200_000)
    sink(tmp_path).deliver(stored(after))
    assert lines(files(tmp_path)) == keys([before, after])


def test_a_file_of_one_torn_line_is_emptied(tmp_path: Path) -> None:
    """A crash within the very first line leaves nothing to keep."""
    sink(tmp_path).deliver(stored(record()))
    (file,) = files(tmp_path)
    file.write_bytes(b'{"key"')
    after = record()
    sink(tmp_path).deliver(stored(after))
    assert lines(files(tmp_path)) == keys([after])


@pytest.mark.parametrize("fails", ["pwrite", "fsync"])
def test_a_full_disk_holds_the_batch_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """A batch that cannot be written whole is deferred and leaves nothing behind; it arrives once there is room."""
    archive, before, after = sink(tmp_path), record(), [record() for _ in range(5)]
    archive.deliver(stored(before))

    def full(opened: int, *given: object) -> int:
        if fails == "pwrite" and len(given[0]) > 100:  # type: ignore[arg-type]  # the bytes
            return write(opened, bytes(given[0])[:100], given[1])  # type: ignore[call-overload,no-any-return]  # a part
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write = os.pwrite
    with monkeypatch.context() as patched:
        patched.setattr(os, fails, full)
        answer = archive.deliver(stored(*after))
        assert isinstance(answer, Deferred)
        assert "No space left" in answer.reason
    assert lines(files(tmp_path)) == keys([before])
    assert archive.deliver(stored(*after)) == Delivered()
    assert lines(files(tmp_path)) == keys([before, *after])


def test_a_file_that_is_large_enough_is_packed_and_another_begun(tmp_path: Path) -> None:
    """Nothing is lost between the two, and what is packed is gone from beside them."""
    archive, given, clock = sink(tmp_path, most=4_000), [record() for _ in range(40)], Clock()
    archive._clock = clock
    for number, each in enumerate(given):
        clock.now = NOW + number
        assert archive.deliver(stored(each)) == Delivered()
        archive.close()
    written = files(tmp_path)
    assert len(written) > 3
    assert [each.suffix for each in written] == [".gz"] * (len(written) - 1) + [".jsonl"]
    assert lines(written) == keys(given)


def test_a_file_that_is_old_enough_is_packed(tmp_path: Path) -> None:
    """After `rotate_seconds` another begins, however little is in the old one."""
    clock, given = Clock(), [record() for _ in range(3)]
    archive = sink(tmp_path, clock)
    for each, now in zip(given, (NOW, NOW + 59, NOW + 60), strict=True):
        clock.now = now
        archive.deliver(stored(each))
    archive.close()
    assert [len(lines([each])) for each in files(tmp_path)] == [2, 1]
    assert lines(files(tmp_path)) == keys(given)


def test_a_clock_that_is_set_back_loses_no_order(tmp_path: Path) -> None:
    """Names go on rising: the newest file stays the one that is written to."""
    clock, given = Clock(), [record() for _ in range(6)]
    archive = sink(tmp_path, clock, most=1)
    for number, each in enumerate(given):
        clock.now = NOW - 3_600 * number
        archive.deliver(stored(each))
        archive.close()
    assert lines(files(tmp_path)) == keys(given)
    assert len(files(tmp_path, "*.jsonl")) == 1


def test_only_so_many_packed_files_stay(tmp_path: Path) -> None:
    """`keep` counts the packed files of this sink; those of another whose name begins alike are not its own."""
    other = tmp_path / "archive-of-acme-20250101T000000.000000Z.jsonl.gz"
    other.write_bytes(b"")
    clock, given = Clock(), [record() for _ in range(6)]
    archive = sink(tmp_path, clock, most=1, keep=2)
    for number, each in enumerate(given):
        clock.now = NOW + number
        archive.deliver(stored(each))
        archive.close()
    assert other.exists()
    assert lines(each for each in files(tmp_path) if each != other) == keys(given[-3:])


def test_what_a_crash_left_unpacked_is_packed_with_the_next(tmp_path: Path) -> None:
    """A half-written archive, and a file that was never packed, are made good; nothing is in two places after it."""
    clock, given = Clock(), [record() for _ in range(3)]
    for number, each in enumerate(given[:2]):
        clock.now = NOW + number
        lone = sink(tmp_path / str(number), clock)
        lone.deliver(stored(each))
        files(tmp_path / str(number))[0].rename(tmp_path / files(tmp_path / str(number))[0].name)
    oldest = files(tmp_path)[0]
    oldest.with_name(oldest.name + ".gz.unfinished").write_bytes(b"half")
    oldest.with_name(oldest.name + ".gz").write_bytes(gzip.compress(b""))
    clock.now = NOW + 61
    archive = sink(tmp_path, clock)
    archive.deliver(stored(given[2]))
    archive.close()
    assert [each.name[-3:] for each in files(tmp_path)] == [".gz", ".gz", "onl"]
    assert lines(files(tmp_path)) == keys(given)


def test_a_file_that_cannot_be_packed_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while packing loses nothing and holds no event back."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    clock, given = Clock(), [record() for _ in range(2)]
    archive = sink(tmp_path, clock, most=1)
    archive.deliver(stored(given[0]))
    monkeypatch.setattr(rotation.shutil, "copyfileobj", full)
    clock.now += 1
    assert archive.deliver(stored(given[1])) == Delivered()
    archive.close()
    assert lines(files(tmp_path, "*.jsonl")) == keys(given)
    assert files(tmp_path, "*.gz*") == []


def test_two_processes_write_whole_lines_into_one_folder(tmp_path: Path) -> None:
    """Two orchestrators may lead a lane each: every line is whole, and every file that was full is packed once."""
    code = (
        "import os, sys, time; from pathlib import Path; from eventbus.wire import LLM_CALL\n"
        "from orchestrator.sinks.file import FileSink; from tests.events import record, stored\n"
        "archive = FileSink(Path(sys.argv[1]), [LLM_CALL], name='archive', rotate_bytes=40_000)\n"
        "write = os.pwrite\n"
        "def slow(*given): time.sleep(0.002); return write(*given)\n"
        "os.pwrite = slow  # so that they meet\n"
        "for _ in range(40):\n"
        "    made = [record() for _ in range(5)]; archive.deliver(stored(*made))\n"
        "    print(*(each.key for each in made), sep='\\n')\n"
        "archive.close()"
    )
    root = str(Path(__file__).parents[4])
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=root, env=os.environ | {"PYTHONPATH": root}, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [each.communicate(timeout=100)[0].split() for each in running]
    assert [each.returncode for each in running] == [0, 0]
    assert sorted(lines(files(tmp_path))) == sorted(said[0] + said[1])
    assert len(said[0] + said[1]) == 400


def test_what_is_no_event_is_rejected_with_its_field(tmp_path: Path) -> None:
    """A number that JSON cannot hold is named, and the others are written."""
    made, good = record(), record()
    bad = EventRecord(made.key, made.id, made.source, made.type, made.time, made.lane, b'{"data": {"x": NaN}}')
    answer = sink(tmp_path).deliver(stored(bad, good))
    assert isinstance(answer, Rejected)
    assert answer.refusals[1].field == "data.x"
    assert lines(files(tmp_path)) == keys([good])
