"""Where a worker puts large bodies: no store makes a task wait, and no folder grows without bounds."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from eventbus.claims import Claims, fetch
from eventbus.stores import BYTES_VARIABLE, Hurried, Resting, Stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Slow:
    """A store that answers once it is let go, and counts how often it is asked."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.let_go = threading.Event()
        self.asked = 0
        self._failing = failing

    def put(self, body: bytes, name: str | None = None) -> dict[str, Any]:
        """Wait, then say where the body lies."""
        self.asked += 1
        if self._failing is not None:
            raise self._failing
        self.let_go.wait(30)
        return {"url": f"slow://{name}", "bytes": len(body), "sha256": ""}


@pytest.fixture
def slow() -> Iterator[Slow]:
    """A store that hangs until the test is over."""
    store = Slow()
    yield store
    store.let_go.set()


def test_a_store_that_hangs_is_left_for_the_folder(slow: Slow, tmp_path: Path) -> None:
    """The caller goes on, the body lies in the folder, and the store is not asked again while it hangs."""
    stores = Stores(0, (Hurried(slow, seconds=0.01, rest=0), Claims(str(tmp_path))))
    for body in (b"one", b"two"):
        claim = stores.put(body)
        assert claim is not None
        assert fetch(claim) == body
    assert slow.asked == 1


def test_a_store_that_failed_rests(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """It is not asked, and nothing is said, for each body of the next minute; then it is asked again."""
    broken = Slow(failing=OSError("away"))
    stores = Stores(0, (Hurried(broken), Claims(str(tmp_path))))
    assert all(stores.put(body) for body in (b"one", b"two", b"three"))
    assert broken.asked == 1
    assert len(caplog.records) == 1
    restless = Hurried(broken, rest=0)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            restless.put(b"four")


def test_a_store_that_answers_is_used(slow: Slow) -> None:
    """What it says is the claim; one that hung is asked again once it has come to an end."""
    hurried = Hurried(slow, seconds=0.01, rest=0)
    with pytest.raises(TimeoutError):
        hurried.put(b"one", "name")
    with pytest.raises(Resting):
        hurried.put(b"one", "name")
    slow.let_go.set()
    for thread in threading.enumerate():
        if thread.name == "redrive-claim":
            thread.join()
    assert Hurried(slow).put(b"one", "name") == {"url": "slow://name", "bytes": 3, "sha256": ""}
    assert hurried.put(b"one", "name")["url"] == "slow://name"


def test_the_folder_is_bounded(tmp_path: Path) -> None:
    """What every process wrote counts; content that is there already needs no room, and a deletion makes some."""
    first, second = (Stores.of(tmp_path / "spool", {BYTES_VARIABLE: "1000"}) for _ in range(2))
    assert first.put(b"a" * 600)
    assert second.put(b"b" * 600) is None
    assert second.put(b"a" * 600)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.unlink()
    assert Stores.of(tmp_path / "spool", {BYTES_VARIABLE: "1000"}).put(b"b" * 600)


def test_what_a_killed_worker_left_half_written_takes_no_room(tmp_path: Path) -> None:
    """It is removed after an hour; before that somebody may be writing it."""
    place = tmp_path / "claims" / "ab"
    place.mkdir(parents=True)
    old, young = place / ".redrive-draft-old", place / ".redrive-draft-young"
    for draft in (old, young):
        draft.write_bytes(b"a" * 500)
    os.utime(old, (0, 0))
    assert Stores.of(tmp_path / "spool", {BYTES_VARIABLE: "1000"}).put(b"b" * 500)
    assert not old.exists()
    assert young.exists()


def test_a_folder_that_was_named_is_bounded_too(tmp_path: Path) -> None:
    """What finds no room there goes into the one beside the spool, as long as that has some."""
    environ = {BYTES_VARIABLE: "1000", "REDRIVE_CLAIM_URL": f"file://{tmp_path}/named"}
    stores = Stores.of(tmp_path / "spool", environ)
    put = [stores.put(bytes([number]) * 600) for number in range(3)]
    assert [claim and claim["url"].split("/")[-3] for claim in put] == ["named", "claims", None]


def test_no_task_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body is written and not synced, as the spool's files are."""
    monkeypatch.setattr(os, "fsync", pytest.fail)
    claim = Stores.of(tmp_path / "spool", {}).put(b"one")
    assert claim is not None
    assert fetch(claim) == b"one"


def test_what_a_crash_cut_short_is_written_anew(tmp_path: Path) -> None:
    """A sealed body under its keyed name cannot be told by its hash: its size tells."""
    stores, name = Stores.of(tmp_path / "spool", {}), "a" * 64
    stores.put(b"sealed-once", name)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(b"")
    claim = stores.put(b"sealed-anew", name)
    assert claim is not None
    assert fetch(claim) == b"sealed-anew"


@pytest.mark.parametrize("given", ["0", "-1", "much", "1e9", str(1 << 51)])
def test_a_bound_that_is_none_is_refused(tmp_path: Path, given: str) -> None:
    """The error names the variable."""
    with pytest.raises(ValueError, match=BYTES_VARIABLE):
        Stores.of(tmp_path, {BYTES_VARIABLE: given})
