"""Records of the spool: read as they were written, cut anywhere, damaged anywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventbus.letters import Letter
from eventbus.publisher import MAX_EVENT_BYTES
from eventbus.records import LONGEST, pack, read

TEXT = st.text("{aé\U0001f600", max_size=20).map(str.encode)
LETTERS = st.lists(st.builds(Letter, st.sampled_from(["failures", "telemetry"]), TEXT, st.booleans()), max_size=9)


def everything(buffer: bytes) -> list[Letter]:
    """Read a whole file, whatever is damaged left out."""
    got: list[Letter] = []
    while buffer:
        reading = read(buffer)
        got += reading.letters
        assert reading.size + reading.skip > 0
        buffer = buffer[reading.size + reading.skip :]
    return got


@given(LETTERS, st.floats(0, 1e10))
def test_records_come_back_with_the_time_of_writing(letters: list[Letter], now: float) -> None:
    """Any letters come back in order, with what they were marked as, and when they were written."""
    buffer = b"".join(pack(letter, now) for letter in letters)
    reading = read(buffer)
    assert reading.letters == letters
    assert reading.size == len(buffer)
    assert {each.written_at for each in reading.kept} <= {now}


@given(LETTERS)
def test_a_cut_at_any_byte_loses_only_the_record_it_went_through(letters: list[Letter]) -> None:
    """Cut at any byte, the file gives the records that are whole, and the rest of it is known as damaged."""
    records = [pack(letter, 1) for letter in letters]
    buffer = b"".join(records)
    for cut in range(len(buffer)):
        reading = read(buffer[:cut])
        whole = reading.letters
        assert whole == letters[: len(whole)]
        assert reading.size == sum(len(record) for record in records[: len(whole)])
        assert cut - reading.size < len(records[len(whole)])
        rest = buffer[reading.size : cut]
        assert read(rest).skip == len(rest)


@given(st.lists(st.builds(Letter, st.just("failures"), TEXT), min_size=1, max_size=6), st.data())
def test_a_damaged_byte_loses_only_the_record_it_is_in(letters: list[Letter], data: st.DataObject) -> None:
    """Whichever byte is damaged, and however, every other record is read."""
    records = [pack(letter, 1) for letter in letters]
    buffer = bytearray(b"".join(records))
    at = data.draw(st.integers(0, len(buffer) - 1))
    buffer[at] ^= data.draw(st.integers(1, 255))
    ends = [sum(len(record) for record in records[: number + 1]) for number in range(len(records))]
    hit = next(number for number, end in enumerate(ends) if at < end)
    assert everything(bytes(buffer)) == [*letters[:hit], *letters[hit + 1 :]]


@given(st.binary(max_size=200))
def test_rubbish_is_skipped_as_a_whole(rubbish: bytes) -> None:
    """Bytes that are no records are skipped, and a record behind them is found."""
    assert everything(rubbish + pack(Letter("failures", b"x"), 1)) == [Letter("failures", b"x")]


def test_no_event_is_longer_than_a_record_may_be() -> None:
    """The longest event that is published fits into a record."""
    assert MAX_EVENT_BYTES < LONGEST
