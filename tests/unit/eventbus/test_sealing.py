"""Sealing: with the operator's keys a message is read by nobody else, and it comes back byte for byte."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from eventbus.sealing import Keys, KeysInvalid, NotOpened

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
KEYS = Keys((OLD,))


def message(body: bytes, **changes: Any) -> dict[str, Any]:
    """A message as an event carries it."""
    made = {
        "body": b64encode(body).decode(), "content_type": "application/json", "content_encoding": "utf-8",
        "headers": {"id": "t-1", "mine": {"$bytes": "AA=="}}, "properties": {"priority": 3},
        "exchange": "e", "routing_key": "celery", "queue": "celery",
    }  # fmt: skip
    return made | changes


@given(st.binary(max_size=300))
def test_a_sealed_message_comes_back_as_it_was(body: bytes) -> None:
    """Whatever its bytes; only its place stays readable."""
    sealed = KEYS.seal(message(body))
    assert KEYS.open(sealed) == message(body) | {"sealed": None}
    place = {"exchange": "e", "routing_key": "celery", "queue": "celery"}
    empty = {"body": "", "content_type": "", "content_encoding": "", "headers": {}, "properties": {}}
    assert sealed == empty | place | {"sealed": sealed["sealed"]}


def test_what_is_sealed_is_not_sealed_again() -> None:
    """A message that comes from the journal was sealed there."""
    sealed = KEYS.seal(message(b"x"))
    assert KEYS.seal(sealed) == sealed


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    """Rotation: the new key goes first, the old one stays behind it; alone, neither opens what the other sealed."""
    old, both, new = KEYS, Keys((NEW, OLD)), Keys((NEW,))
    assert both.open(old.seal(message(b"x")))["body"] == message(b"x")["body"]
    assert new.open(both.seal(message(b"x")))["body"] == message(b"x")["body"]
    with pytest.raises(NotOpened, match="add the old key"):
        new.open(old.seal(message(b"x")))


def test_keys_are_read_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """Separated by commas or on lines of their own; none is no error, and an empty file is one."""
    file = tmp_path / "keys"
    file.write_text(f"{NEW}\n{OLD}\n")
    by_file = Keys.of({"REDRIVE_MESSAGE_KEYS_FILE": str(file)})
    by_value = Keys.of({"REDRIVE_MESSAGE_KEYS": f"{NEW},{OLD}"})
    assert by_file is not None
    assert by_value is not None
    assert by_file.open(by_value.seal(message(b"x")))["body"] == message(b"x")["body"]
    assert Keys.of({}) is None
    file.write_text("\n")
    for path in (file, tmp_path / "none"):
        with pytest.raises(KeysInvalid, match="REDRIVE_MESSAGE_KEYS_FILE"):
            Keys.of({"REDRIVE_MESSAGE_KEYS_FILE": str(path)})


def test_a_key_that_is_none_is_refused_and_never_shown() -> None:
    """The error names the variable; neither it nor the value's repr shows a key."""
    with pytest.raises(KeysInvalid, match="REDRIVE_MESSAGE_KEYS") as refused:
        Keys(("not-a-key-at-all",))
    assert "not-a-key" not in str(refused.value)
    assert OLD not in repr(KEYS)
