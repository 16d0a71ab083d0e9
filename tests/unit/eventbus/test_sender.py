"""The sender: to the bus while it confirms, else to the spool, and out of it in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from eventbus import sender as sender_module
from eventbus.letters import Letter, Receipt
from eventbus.limits import Limits
from eventbus.losses import Losses
from eventbus.sender import Counts, Sender
from eventbus.spool import Spool
from tests.unit.eventbus.test_losses import told

if TYPE_CHECKING:
    from pathlib import Path


class Broker:
    """A bus that can be taken away; it remembers what it confirmed."""

    def __init__(self) -> None:
        self.up = True
        self.got: list[tuple[str, list[int]]] = []

    def deliver(self, routing_key: str, body: bytes) -> None:
        """Take one message, or fail as a dead broker does."""
        if not self.up:
            raise ConnectionRefusedError("no broker")
        self.got.append((routing_key, json.loads(body)))

    @property
    def numbers(self) -> list[int]:
        """List what arrived, in order."""
        return [number for _, batch in self.got for number in batch]


@pytest.fixture
def broker() -> Broker:
    """A bus that is up."""
    return Broker()


@pytest.fixture
def sender(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """A sender that tries again at once."""
    monkeypatch.setattr(sender_module, "RETRY_SECONDS", (0.0,))
    return Sender(broker.deliver, Spool(tmp_path, Limits(1000)))


def letters(*numbers: int, key: str = "failures") -> list[Letter]:
    """Make letters that tell their numbers."""
    return [Letter(key, str(number).encode()) for number in numbers]


def test_a_batch_leaves_as_one_message_per_routing_key_failures_first(sender: Sender, broker: Broker) -> None:
    """Letters of one key go in one message, in order; failures do not wait for telemetry."""
    sender.handle([*letters(3, key="telemetry"), *letters(1, 2)])
    assert broker.got == [("failures", [1, 2]), ("telemetry", [3])]
    assert sender.counts == Counts(sent=3)


def test_what_a_dead_bus_refuses_is_sent_later_in_order(sender: Sender, broker: Broker) -> None:
    """Letters of a dead bus wait in the spool, and later ones queue up behind them."""
    broker.up = False
    sender.handle(letters(1, 2))
    sender.handle(letters(3))
    assert not sender.settled
    broker.up = True
    sender.handle(letters(4))
    assert broker.numbers == [1, 2, 3, 4]
    assert sender.settled
    assert sender.counts == Counts(sent=4, spooled=4)


def test_only_what_was_not_confirmed_is_kept(sender: Sender, broker: Broker) -> None:
    """When the bus dies between two messages of a batch, only the second is sent again."""
    confirmed = broker.deliver

    def dies_after_one(routing_key: str, body: bytes) -> None:
        confirmed(routing_key, body)
        broker.up = False

    broker.deliver = dies_after_one  # type: ignore[method-assign]  # the bus of this test
    sender._deliver = broker.deliver
    sender.handle([*letters(1), *letters(2, key="outcomes")])
    broker.up = True
    sender.handle([])
    assert broker.numbers == [1, 2]


def test_a_dead_bus_is_left_alone_for_a_while(broker: Broker, tmp_path: Path) -> None:
    """After a refusal the sender waits before it tries again; `retry_now` ends the wait."""
    sender = Sender(broker.deliver, Spool(tmp_path, Limits(1000)))
    broker.up = False
    sender.handle(letters(1))
    broker.up = True
    sender.handle(letters(2))
    assert broker.numbers == []
    assert sender.patience is not None
    assert sender.patience > 0
    sender.retry_now()
    sender.handle([])
    assert broker.numbers == [1, 2]
    assert sender.patience is None


def test_what_the_spool_cannot_hold_is_counted_and_told(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full spool drops; the counts tell how many, and how many of them were spans."""
    losses = Losses()
    sender = Sender(broker.deliver, Spool(tmp_path, Limits(80)), losses)
    broker.up = False
    for number in range(5):
        sender.handle(letters(number))
    sender.handle([Letter("telemetry", b"9", droppable=True)])
    losses.close()
    assert sender.counts == Counts(sent=0, spooled=2, dropped=4, dropped_spans=1)
    assert told(caplog) == (3, 1)
    assert caplog.text.count("bus.unreachable") == 1


def test_a_receipt_is_given_by_bus_or_spool_and_not_for_what_is_dropped(
    sender: Sender, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """Confirmed or spooled, a letter's receipt is given once; a dropped one's never; a fault in it loses nothing."""
    given: list[int] = []

    def letter(number: int) -> Letter:
        return Letter("failures", str(number).encode(), receipt=Receipt(lambda: given.append(number)))

    sender.handle([letter(1)])
    broker.up = False
    sender.handle([letter(2)])
    sender.handle([Letter("failures", b"x" * 2000, receipt=Receipt(lambda: given.append(3)))])
    assert given == [1, 2]
    broker.up = True
    sender.handle([Letter("failures", b"4", receipt=Receipt(lambda: given[9])), letter(5)])
    assert given == [1, 2, 5]
    assert broker.numbers == [1, 2, 4, 5]
    assert "event.receipt_failed" in caplog.text


def test_a_folder_that_cannot_be_written_drops_and_never_raises(broker: Broker, tmp_path: Path) -> None:
    """Without bus and without disk the letters are counted as dropped."""
    (tmp_path / "file").touch()
    sender = Sender(broker.deliver, Spool(tmp_path / "file" / "folder", Limits(1000)))
    broker.up = False
    sender.handle(letters(1, 2))
    assert sender.counts == Counts(dropped=2)
