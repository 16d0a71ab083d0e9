"""Signatures: failures that look alike have the same one, whatever ids, numbers and addresses their messages hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.signature import LONGEST, normalise, signature

TEMPLATE = "call {} to {} for {} from {} at {} failed: {}"
numbers = st.integers(0, 10**12).map(str)
uuids = st.uuids().map(str)
emails = st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.[a-z]{2,3}", fullmatch=True)
addresses = st.ip_addresses(v=4).map(str)
urls = st.from_regex(r"https?://[a-z]{1,10}\.[a-z]{2,3}/[a-z0-9/]{0,10}", fullmatch=True)
hexes = st.from_regex(r"0x[0-9a-f]{4,16}", fullmatch=True)
messages = st.tuples(numbers, urls, uuids, emails, addresses, hexes).map(lambda parts: TEMPLATE.format(*parts))


@given(messages, messages)
def test_what_differs_from_run_to_run_is_taken_out(one: str, another: str) -> None:
    """Two messages of one template have one signature."""
    assert signature("app.call", "a.B", one) == signature("app.call", "a.B", another)


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        ("503 for call 17", "<n> for call <n>"),
        ("user 3fa85f64-5717-4562-b3fc-2c963f66afa6 is gone", "user <uuid> is gone"),
        ("GET https://api.acme.com/v1/x?id=7 timed out", "GET <url> timed out"),
        ("mail to ann.b+c@acme.co.uk bounced", "mail to <email> bounced"),
        ("refused by 10.0.0.17:5432", "refused by <address>"),
        ("<Conn object at 0x7f1a47113490>", "<Conn object at <n>>"),
        ("digest d41d8cd98f00b204e9800998ecf8427e differs", "digest <n> differs"),
        ("took 1,234.56 s", "took <n> s"),
        ("  much \n\t room  ", "much room"),
        ("facade decade", "facade decade"),
        ("", ""),
    ],
)
def test_each_kind_of_noise_has_its_mark(message: str, normal: str) -> None:
    """What is taken out is told by a mark; words stay."""
    assert normalise(message) == normal


@given(st.text())
def test_a_normal_message_is_short_and_one_line(message: str) -> None:
    """Whatever a message holds, at most 300 characters remain, on one line."""
    normal = normalise(message)
    assert len(normal) <= LONGEST
    assert normal == " ".join(normal.split())


@pytest.mark.parametrize("noise", ["a.", "a+", "1.", "x:", "://", "0x", "ab12"])
def test_a_long_message_takes_no_longer_than_a_short_one(noise: str) -> None:
    """Only the beginning is looked at: a message of megabytes is read in no time, and decides like its beginning."""
    assert normalise(noise * 1_000_000) == normalise(noise * 10_000)


def test_task_type_and_words_keep_failures_apart() -> None:
    """Another task, another exception or another message is another signature."""
    base = ("app.call", "a.B", "no such model")
    others = [("app.other", *base[1:]), (base[0], "a.C", base[2]), (*base[:2], "no such key")]
    assert len({signature(*each) for each in [base, *others]}) == 4


def test_a_signature_can_be_read_and_stored() -> None:
    """It names task, exception and the message's beginning, and is bounded, however long these are."""
    assert signature("app.call", "a.B", "no model 7").startswith("app.call a.B no model <n> #")
    assert len(signature("t" * 5000, "e" * 5000, "m " * 5000)) <= 600


def test_long_messages_that_differ_late_differ() -> None:
    """The digest is of more than what is shown."""
    one, another = ("word " * 30 + last for last in ("alpha", "beta"))
    assert signature("t", "e", one) != signature("t", "e", another)
