"""A disk that takes nothing: full, or read-only. Nothing raises, the loss is counted, and said once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eventbus.letters import Letter
from eventbus.limits import Limits
from eventbus.losses import Losses
from eventbus.sender import Sender
from eventbus.spool import Spool
from tests.services import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY = 64 << 10


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Give a file system of its own in a folder: as root, elsewhere the machine is lacking."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode != 0:
        raise lacking(f"expected to mount a tmpfs, got: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


class Dead:
    """A bus that takes nothing until it is up."""

    def __init__(self) -> None:
        self.up = False
        self.got: list[int] = []

    def deliver(self, _: str, body: bytes) -> None:
        """Take one message, or fail."""
        if not self.up:
            raise ConnectionRefusedError("no broker")
        self.got += json.loads(body)


def numbered(first: int, count: int) -> list[Letter]:
    """Make letters of a kilobyte that tell their numbers."""
    return [Letter("failures", b"%d%s" % (number, b" " * 1000)) for number in range(first, first + count)]


@pytest.mark.parametrize("options", [f"size={TINY}", "ro"])
def test_a_full_or_read_only_disk_costs_the_events_and_is_said_once(
    tmp_path: Path, options: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is counted, not logged one by one; what fitted is whole, and arrives when the bus is back."""
    bus, losses = Dead(), Losses()
    with mounted(tmp_path / "disk", options) as folder:
        sender = Sender(bus.deliver, Spool(folder, Limits()), losses)
        for batch in range(100):
            sender.handle(numbered(10 * batch, 10))
        counts = sender.counts
        assert counts.spooled + counts.dropped == 1000
        assert counts.dropped >= 900
        assert (counts.spooled > 0) is (options != "ro")
        bus.up = True
        sender.retry_now()
        while not sender.settled:
            sender.handle([])
        sender.handle(numbered(1000, 1))
        sender._spool.close()
    losses.close()
    assert bus.got == [*range(counts.spooled), 1000]
    told = [int(each) for each in re.findall(r"event.dropped: (\d+) events", caplog.text)]
    assert sum(told) == counts.dropped
    assert len(told) <= 2  # when it began, and the sum at the end; at once where the one who tells it came late
    assert "mend the disk" in caplog.text


def test_a_disk_that_has_room_again_is_used_again(tmp_path: Path) -> None:
    """Once something else on the disk has gone, events are kept again."""
    with mounted(tmp_path / "disk", f"size={TINY}") as folder:
        (folder / "other").write_bytes(b"x" * (TINY - 8192))
        sender = Sender(Dead().deliver, Spool(folder, Limits()), Losses())
        sender.handle(numbered(0, 10))
        assert sender.counts.dropped == 10
        (folder / "other").unlink()
        sender.handle(numbered(10, 10))
        assert sender.counts.spooled == 10
        sender._spool.close()


LIMITED = """
import logging, resource, sys
from pathlib import Path
from uuid import uuid4
from datetime import UTC, datetime
from eventbus import wire
from eventbus.publisher import Publisher
logging.basicConfig(stream=sys.stdout)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
publisher = Publisher("amqp://127.0.0.1:9/", Path(sys.argv[1]))
kept = []
for number in range(1000):
    event = wire.Event(str(number), "urn:test", wire.TASK_FAILED, datetime.now(UTC), {"filled": "x" * 1000})
    publisher.publish(event, on_kept=lambda number=number: kept.append(number))
publisher.flush(1)
counts = publisher.counts  # those of this life of the publisher: it begins anew when it is closed
publisher.close()
print("counts", counts.spooled, counts.dropped, len(kept), flush=True)
"""


def test_a_limit_on_the_size_of_files_costs_the_events_only(tmp_path: Path) -> None:
    """Where the kernel lets no file grow beyond 20 kB the process lives on, and counts what it lost."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    spooled, dropped, kept = (int(word) for word in done.stdout.split("counts ")[1].split()[:3])
    assert spooled + dropped == 1000
    assert dropped > 0
    assert kept == spooled
    assert done.stdout.count("event.dropped") <= 2
