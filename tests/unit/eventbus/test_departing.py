"""The one place that every failure's data goes through: large bodies, sealed messages, faults of ours, texts."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet

from eventbus import scrub
from eventbus.claims import fetch
from eventbus.departing import Departing
from eventbus.redaction import read_path
from eventbus.scrub import Scrubber
from eventbus.sealing import Keys, KeysInvalid
from eventbus.stores import LARGEST_INLINE

if TYPE_CHECKING:
    from pathlib import Path

KEY = Fernet.generate_key().decode()
NO_LINKS = b'[[1], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'


def data(body: bytes = NO_LINKS, text: str = "", **headers: Any) -> dict[str, Any]:
    """A failure's data before it leaves."""
    message = {
        "body": b64encode(body).decode(), "content_type": "application/json", "content_encoding": "utf-8",
        "headers": headers, "properties": {}, "exchange": "", "routing_key": "celery", "queue": "celery",
    }  # fmt: skip
    facts = {"type": "builtins.ValueError", "message": text, "traceback": text, "chain": []}
    return {"task_id": "t-1", "message": message, "exception": facts}


def departing(tmp_path: Path, environ: dict[str, str] | None = None, **given: Any) -> Departing:
    """What a worker with this environment makes."""
    return Departing.of_worker(tmp_path / "spool", environ=environ or {}, **given)


def test_what_nobody_speaks_of_leaves_as_it_came(tmp_path: Path) -> None:
    """No rule, no denied header, no key, no large body: the data is the same."""
    assert departing(tmp_path).of("shop.pay", data(mine="x")) == data(mine="x")
    assert list(tmp_path.iterdir()) == []


def test_a_large_body_is_stored_and_named(tmp_path: Path) -> None:
    """Above the limit the event has a claim in place of the body; at the limit, the body."""
    body = b"x" * 1000
    made = departing(tmp_path, {"REDRIVE_CLAIM_ABOVE": "999"}).of("shop.pay", data(body))["message"]
    assert made["body"] == ""
    assert made["claim"]["bytes"] == 1000
    assert made["claim"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert made["claim"]["url"].startswith(f"file://{tmp_path}/claims/")
    assert fetch(made["claim"]) == body
    assert departing(tmp_path, {"REDRIVE_CLAIM_ABOVE": "1000"}).of("shop.pay", data(body)) == data(body)


def test_a_store_that_is_away_is_replaced_by_the_folder(tmp_path: Path) -> None:
    """The body is not lost with the store: it lies beside the spool."""
    environ = {"REDRIVE_CLAIM_ABOVE": "10", "REDRIVE_CLAIM_URL": "nosuchscheme://bucket"}
    made = departing(tmp_path, environ).of("shop.pay", data(b"x" * 1000))["message"]
    assert fetch(made["claim"]) == b"x" * 1000


def test_without_any_store_a_body_stays_in_the_event_as_long_as_one_can_carry_it(tmp_path: Path) -> None:
    """The folder cannot be written: a body that fits leaves inline, a larger one is missing, and neither raises."""
    (tmp_path / "claims").write_text("in the way")
    made = departing(tmp_path, {"REDRIVE_CLAIM_ABOVE": "10"})
    assert b64decode(made.of("shop.pay", data(b"x" * 1000))["message"]["body"]) == b"x" * 1000
    huge = made.of("shop.pay", data(b"x" * (LARGEST_INLINE + 1)))["message"]
    assert (huge["missing"], huge["body"], huge["routing_key"]) == (True, "", "celery")


def test_with_keys_nothing_of_the_message_leaves_in_plain(tmp_path: Path) -> None:
    """Neither in the event nor in the store; the key gives all of it back."""
    made = departing(tmp_path, {"REDRIVE_MESSAGE_KEYS": KEY, "REDRIVE_CLAIM_ABOVE": "100"})
    body = b"a-plain-word" * 100
    left = made.of("shop.pay", data(body, mine="a-plain-word"))["message"]
    stored = fetch(left["claim"])
    assert "a-plain-word" not in repr(left)
    assert b"a-plain-word" not in stored
    assert hashlib.sha256(body).hexdigest() not in repr(left)
    keys = Keys((KEY,))
    assert keys.open(left)["headers"] == {"mine": "a-plain-word"}
    assert keys.open_bytes(stored) == body
    assert made.of("shop.pay", data(body, mine="a-plain-word"))["message"]["claim"] == left["claim"]


def test_what_the_journal_kept_leaves_as_it_is(tmp_path: Path) -> None:
    """A message that was redacted and sealed for the journal is told by the next process: nothing is done twice."""
    rules = {"paths_of": lambda _task: (read_path("args.0"),), "redacting": lambda: True}
    sealing = departing(tmp_path, {"REDRIVE_MESSAGE_KEYS": KEY}, **rules)
    kept = sealing.message("shop.pay", data()["message"])
    left = sealing.of("shop.pay", data() | {"message": kept})["message"]
    opened = Keys((KEY,)).open(left)
    assert b64decode(opened["body"]).startswith(b'[["[redacted]"], {}')
    assert left["redacted"] == ["args.0"]
    plain = departing(tmp_path, **rules)
    once = plain.message("shop.pay", data()["message"])
    assert plain.of("shop.pay", data() | {"message": once})["message"] == once


def test_only_what_has_to_be_changed_is_touched_for_the_journal(tmp_path: Path) -> None:
    """A task with rules, a denied header, links where rules exist, keys: those pay; others stay as they are."""
    rules = {"paths_of": lambda task: (read_path("args.0"),) if task == "shop.pay" else (), "redacting": lambda: True}
    made = departing(tmp_path, **rules)
    assert made.touches("shop.pay", {}, NO_LINKS)
    assert made.touches("shop.list", {"Cookie": "a"}, NO_LINKS)
    assert made.touches("shop.list", {}, NO_LINKS.replace(b'"chain": null', b'"chain": [{}]'))
    assert made.touches("shop.list", {"headers": {"cookie": "a"}}, NO_LINKS)
    for _ in range(2):
        assert not made.touches("shop.list", {"mine": "a"}, NO_LINKS)
    assert made.touches("shop.list", {"mine": "a", "X-API-Key": "a"}, NO_LINKS)
    assert not made.touches("shop.list", None, NO_LINKS.decode())
    assert departing(tmp_path, {"REDRIVE_MESSAGE_KEYS": KEY}).touches("shop.list", {}, NO_LINKS)


def test_a_fault_of_ours_lets_no_message_leave_unredacted(tmp_path: Path) -> None:
    """The rules themselves fail: the failure is told, without its message and its texts."""

    def broken(_task: str) -> tuple[()]:
        raise RuntimeError("a fault of ours")

    made = departing(tmp_path, paths_of=broken, redacting=lambda: True)
    left = made.of("shop.pay", data(text="a-plain-word", mine="a-plain-word"))
    assert "a-plain-word" not in repr(left)
    assert left["message"]["missing"] is True
    assert left["task_id"] == "t-1"


def test_texts_are_scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Message, traceback and chain of the exception do not name what this process keeps secret."""
    known = Scrubber()
    known.learn("a-secret-word")
    monkeypatch.setattr(scrub, "KNOWN", known)
    given = data(text="a-secret-word")
    given["exception"]["chain"] = ["a-secret-word.Error"]
    assert "a-secret-word" not in repr(departing(tmp_path).of("shop.pay", given))


def test_a_code_that_is_a_secret_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider's word leaves as it is; one that this process keeps secret does not leave at all."""
    known = Scrubber()
    known.learn("sesame_open")
    monkeypatch.setattr(scrub, "KNOWN", known)
    for code, told in (("rate_limit", "rate_limit"), ("sesame_open", None)):
        given = data()
        given["exception"]["code"] = code
        assert departing(tmp_path).of("t", given)["exception"].get("code") == told


@pytest.mark.parametrize("above", ["0", "-1", "many", str(LARGEST_INLINE + 1)])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, above: str) -> None:
    """The error names the variable."""
    with pytest.raises(ValueError, match="REDRIVE_CLAIM_ABOVE"):
        departing(tmp_path, {"REDRIVE_CLAIM_ABOVE": above})


def test_a_key_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    """A worker that was to seal does not start without."""
    with pytest.raises(KeysInvalid, match="REDRIVE_MESSAGE_KEYS"):
        departing(tmp_path, {"REDRIVE_MESSAGE_KEYS": "nonsense"})
