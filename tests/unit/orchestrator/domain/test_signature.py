"""Signatures: failures that look alike have the same one, whatever ids, numbers, places and quotes they tell of."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.failures import ExceptionFacts
from orchestrator.domain.normal import LONGEST, LOOKED_AT, normalise
from orchestrator.domain.quotes import PAIRS
from orchestrator.domain.signature import look_of, signature

SCRIPTS = {"ascii": "0123456789", "full width": "０１２３４５６７８９", "arabic": "٠١٢٣٤٥٦٧٨٩", "hindi": "०१२३४५६७८९"}  # noqa: RUF001 - digits of other scripts are what is tested
WORDS = (
    "the",
    "call",
    "of",
    "provider",
    "failed",
    "can't",
    "reach",
    "database",
    "Größe",
    "запрос",
    "失敗",
    "utf-eight",
)


def in_script(number: int, script: str) -> str:
    """Write a number in the digits of a script."""
    return str(number).translate(str.maketrans(SCRIPTS["ascii"], SCRIPTS[script]))


counts = st.integers(0, 10**15)
numbers = st.one_of(
    counts.map(str),
    st.integers(-(10**12), 10**12).map(str),
    counts.map("+{}".format),
    counts.map("{:,}".format),
    counts.map("{:_}".format),
    counts.map(lambda n: f"{n:,}".replace(",", "'")),
    counts.map(lambda n: f"{n:,}".replace(",", "\u202f")),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e9, 1e9).map("{:.3f}".format),
    st.floats(-1e9, 1e9).map("{:e}".format),
    st.builds(in_script, counts, st.sampled_from(sorted(SCRIPTS))),
    counts.map(hex),
    st.integers(16**7, 16**16).map("0x{:X}".format),
)
ids = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda each: str(each).upper()),
    st.uuids().map("{{{}}}".format),
    st.uuids().map("urn:uuid:{}".format),
    st.uuids().map(lambda each: each.hex),
    st.binary(max_size=9).map(lambda each: sha256(each).hexdigest()),
    st.binary(max_size=9).map(lambda each: base64.b64encode(sha256(each).digest()).decode()),
    st.binary(max_size=9).map(lambda each: base64.urlsafe_b64encode(sha256(each).digest()).decode()),
    st.integers(0, 2**32).map("id{}".format).map(lambda each: sha256(each.encode()).hexdigest()[:20]),
)
words = st.text("abcdefghij KLMNÖ-.:/,漢字", max_size=60)
quoted = st.one_of(
    st.text(max_size=40).filter(lambda each: not set(each) & set("<>")).map(repr),
    st.sampled_from(sorted(PAIRS)).flatmap(lambda quote: words.map(lambda text: f"{quote}{text}{PAIRS[quote][0]}")),
)
addresses = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.builds("{}:{}".format, st.ip_addresses(v=4), st.integers(1, 65535)),
    st.ip_addresses(v=6).map(str).filter(lambda each: each != "::"),  # two colons alone may be anything
    st.builds("[{}]:{}".format, st.ip_addresses(v=6), st.integers(1, 65535)),
    st.from_regex(r"[a-z]{1,8}-[0-9]{1,3}\.[a-z]{1,8}\.(com|internal):[0-9]{2,5}", fullmatch=True),
    st.from_regex(r"localhost:[0-9]{2,5}", fullmatch=True),
)
emails = st.from_regex(r"[a-z]{1,8}([.+][a-z0-9]{1,5})?@[a-z]{1,8}\.[a-z]{2,3}", fullmatch=True)
urls = st.from_regex(
    r"(https?|redis|amqp)://[a-z]{1,10}(\.[a-z]{2,3})?(:[0-9]{2,4})?/[a-z0-9/?=&%-]{0,20}", fullmatch=True
)
paths = st.from_regex(r"(/[a-z0-9_.-]{1,10}){1,4}|[A-Z]:(\\[a-z0-9_.-]{1,10}){1,4}|~/[a-z0-9]{1,9}", fullmatch=True)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))  # noqa: DTZ001 - the strategy takes naive ones
times = st.one_of(
    moments.map(datetime.isoformat),
    moments.map(lambda each: each.strftime("%Y-%m-%dT%H:%M:%SZ")),
    moments.map(lambda each: each.strftime("%Y-%m-%d %H:%M:%S,%f")),
    moments.map(lambda each: each.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    moments.map(lambda each: each.strftime("%a %b %d %H:%M:%S %Y")),
    moments.map(lambda each: each.strftime("%Y-%m-%d")),
)
KINDS = {
    "numbers": numbers, "ids": ids, "numbers and ids": st.one_of(numbers, ids), "quoted text": quoted,
    "addresses": addresses, "emails": emails, "urls": urls, "paths": paths, "times": times,
}  # fmt: skip
templates = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).flatmap(
    lambda chosen: st.lists(st.integers(0, len(chosen)), min_size=1, max_size=3).map(
        lambda places: (
            " ".join(" ".join(["{}"] * places.count(at) + [word]) for at, word in enumerate(chosen))
            + " {}" * places.count(len(chosen))
        )
    )
)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_what_differs_from_run_to_run_is_taken_out(kind: str, data: st.DataObject) -> None:
    """Two messages of one template, filled with any of a kind, have one signature."""
    template = data.draw(templates)
    count = template.count("{}")
    filled = [template.format(*(data.draw(KINDS[kind]) for _ in range(count))) for _ in range(2)]
    assert normalise(filled[0]) == normalise(filled[1])
    assert signature("app.call", "a.B", filled[0]) == signature("app.call", "a.B", filled[1])


@given(st.lists(st.sampled_from(WORDS), max_size=8), st.lists(st.sampled_from(WORDS), max_size=8), numbers, ids)
def test_messages_of_other_words_stay_apart(one: list[str], another: list[str], number: str, some_id: str) -> None:
    """Whatever numbers and ids stand beside them, words that differ make another signature."""
    alike = [f"{' '.join(each)} {number} for {some_id}" for each in (one, another)]
    assert (normalise(alike[0]) == normalise(alike[1])) == (one == another)


@given(st.one_of(st.text(max_size=400), st.builds("{} {} {} {}".format, numbers, ids, quoted, st.text(max_size=50))))
@settings(max_examples=500, deadline=None)
def test_a_normal_message_stays_as_it_is(message: str) -> None:
    """What is normal already is not changed any more; it is short, on one line, and in one form of Unicode."""
    normal = normalise(message)
    assert normalise(normal) == normal
    assert len(normal) <= LONGEST
    assert normal == " ".join(normal.split())
    assert normal == normalize("NFKC", normal)


@given(st.text("abc \u00e9\u0301e", max_size=30), st.sampled_from(["\u200b", "\ufeff", "\u00ad", "\ufe0f", "\u2060"]))
def test_what_nobody_sees_makes_no_difference(text: str, invisible: str) -> None:
    """Invisible characters and the way in which an accent is written do not tell two messages apart."""
    spread = normalise(f"a{invisible}b{invisible} {text}")
    assert spread == normalise(f"ab {text}") == normalise(normalize("NFD", f"ab {text}"))


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        ("503 for call 17", "<n> for call <n>"),
        ("user 3fa85f64-5717-4562-b3fc-2c963f66afa6 is gone", "user <n> is gone"),
        ("GET https://api.acme.com/v1/x?id=7 timed out", "GET <url> timed out"),
        ("mail to ann.b+c@acme.co.uk bounced", "mail to <email> bounced"),
        ("refused by 10.0.0.17:5432", "refused by <address>"),
        ("to [2001:db8::1]:443, fe80::1%eth0 or ::1", "to <address> or <address>"),
        ("<Conn object at 0x7f1a47113490>", "<Conn object at <n>>"),
        ("digest d41d8cd98f00b204e9800998ecf8427e differs", "digest <n> differs"),
        ("took 1,234.56 s, 12ms, 6m0s and 3.2e-10", "took <n> s, <n>ms, <n> and <n>"),
        ("  much \n\t room\x00  ", "much room"),
        ("facade decade defaced", "facade decade defaced"),
        ("key kQzRtWpLmXcV is gone", "key <n> is gone"),
        ("abcdefabcd12zz", "<n>zz"),
        ("can't open '/x/y': it's gone", "can't open <quoted>: it's gone"),
        (r"KeyError: 'it\'s' or \"x\"", "KeyError: <quoted> or \\<quoted>"),
        ("“a” „b“ «c» 「d」 ‘it’s’ and rock 'n' roll", "<quoted> and rock <quoted> roll"),  # noqa: RUF001 - quotes are what is tested
        ("an unclosed 'quote stays", "an unclosed 'quote stays"),
        ("第17次失败于节点5", "第<n>次失败于节点<n>"),
        ("ids [1, 2, 3] of ['a', \"b\"]", "ids [<n>] of [<quoted>]"),
        ("/var/lib/17.txt: No such file in C:\\a\\b", "<path>: No such file in <path>"),
        ("ProvisionedThroughputExceededException in HTTPSConnectionPool", None),
        ("Foo::Bar :: read/write and/or utf-eight", None),
        ("x-ratelimit-remaining-requests of internationalization", None),
        ("", ""),
    ],
    ids=repr,
)
def test_each_kind_of_noise_has_its_mark(message: str, normal: str | None) -> None:
    """What is taken out is told by a mark; words stay."""
    assert normalise(message) == (message if normal is None else normal)


@pytest.mark.parametrize(
    "noise",
    ["a.", "a+", "1.", "x:", "://", "0x", "ab12", "“", "'a ", "{", "[", "-", "/", "a@", "1:", "Jan ", "::1 ", "0.0.0.",
     "é1", "<n>", "<n> ", "\\", "a:", "1 Jan 2020 ", "<quoted>, "],
)  # fmt: skip
def test_a_long_message_takes_no_longer_than_a_short_one(noise: str) -> None:
    """Only the beginning is looked at: a message of megabytes decides like what a worker sends of it."""
    assert normalise(noise * 1_000_000) == normalise((noise * LOOKED_AT)[:LOOKED_AT])


def test_task_type_words_and_answer_keep_failures_apart() -> None:
    """Another task, another exception, another message or another answer is another signature."""
    base = ("app.call", "a.B", "no such model", "404")
    others = [("x", *base[1:]), (base[0], "x", *base[2:]), (*base[:2], "x", base[3]), (*base[:3], "429")]
    assert len({signature(*each) for each in [base, *others]}) == 5


def test_the_answer_is_the_code_or_else_the_status() -> None:
    """Of 5xx all look alike, since one outage answers them by turns; 404 and 429 are told apart, and codes are."""
    looks = [
        look_of("t", ExceptionFacts("a.B", "x", status=status, code=code))
        for status, code in [
            (502, None),
            (503, None),
            (404, None),
            (429, None),
            (429, "insufficient_quota"),
            (None, None),
        ]
    ]
    assert looks[0] == looks[1]
    assert len(set(looks)) == 5
    assert looks[5] == signature("t", "a.B", "x")


def test_a_signature_can_be_read_and_stored() -> None:
    """It names task, exception and the message's beginning, and is bounded, however long these are."""
    assert signature("app.call", "a.B", "no model 7").startswith("app.call a.B no model <n> #")
    assert len(signature("t" * 5000, "e" * 5000, "m " * 5000, "c" * 64)) <= 600
    assert signature("t", "e", "\ud800 half")


def test_long_messages_that_differ_late_differ() -> None:
    """The digest is of more than what is shown."""
    one, another = ("word " * 30 + last for last in ("alpha", "beta"))
    assert signature("t", "e", one) != signature("t", "e", another)
