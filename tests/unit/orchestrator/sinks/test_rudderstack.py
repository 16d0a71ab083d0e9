"""The RudderStack sink and a gateway that answers everything a real one may."""

from __future__ import annotations

import gzip
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from eventbus.wire import LLM_CALL
from orchestrator.domain.events import Deferred, Delivered, Outcome, Refusal, Rejected
from orchestrator.sinks import sdk
from orchestrator.sinks.messages import MOST_BYTES, MOST_EVENTS, MOST_OF_ONE, Message, posts
from orchestrator.sinks.parcels import Parcel
from orchestrator.sinks.posting import MOST_ANSWERED
from orchestrator.sinks.rudderstack import RudderStackSink
from tests.events import CALL, event, record, stored
from tests.gateway import WRITE_KEY, dataplane, dripping, gateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.gateway import Reply

OK: Reply = (200, {}, b"OK")


def sink(url: str, timeout: float = 5.0) -> RudderStackSink:
    """Make a sink that sends to a test's gateway."""
    return RudderStackSink(url, WRITE_KEY, timeout)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, Outcome.CONFIG),
        (403, Outcome.CONFIG),
        (404, Outcome.CONFIG),
        (302, Outcome.CONFIG),
        (202, Outcome.CONFIG),
        (408, Outcome.FAILURE),
        (429, Outcome.THROTTLE),
        (500, Outcome.FAILURE),
        (503, Outcome.FAILURE),
        (504, Outcome.FAILURE),
    ],
)
def test_an_answer_that_is_not_about_the_events_defers_the_batch(status: int, outcome: Outcome) -> None:
    """Whatever else the gateway answers, the batch is kept and posted once; a wrong key parks it and says so."""
    with gateway(lambda _: (status, {"Location": "/elsewhere"}, b"plain text")) as server:
        answer = sink(server.url).deliver(stored(record(), record()))
        assert isinstance(answer, Deferred)
        assert answer.outcome is outcome
        assert str(status) in answer.reason
        assert "plain text" in answer.reason
        assert answer.retry_after is None
        assert len(server.batches) == 1


@pytest.mark.parametrize("body", [b"{}", b'{"code": "x"}', b"[1]", b'"text"', b"\xff", b""])
def test_an_error_body_of_any_shape_is_an_answer(body: bytes) -> None:
    """The SDK trips over a JSON error without a code; the sink still sees the status."""
    with gateway(lambda _: (503, {}, body)) as server:
        answer = sink(server.url).deliver(stored(record()))
    assert isinstance(answer, Deferred)
    assert "503" in answer.reason


def test_retry_after_is_kept_in_seconds_and_as_a_date() -> None:
    """Both forms of the header reach the relay as seconds; nonsense is none, and a past date is no wait."""
    future = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    headers = iter(["17", future, "soon", "Mon, 01 Jan 2024 00:00:00 GMT"])
    with gateway(lambda _: (429, {"Retry-After": next(headers)}, b"limit")) as server:
        answers = [sink(server.url).deliver(stored(record())) for _ in range(4)]
    waits = [answer.retry_after for answer in answers if isinstance(answer, Deferred)]
    assert waits[0] == 17
    assert waits[1] is not None
    assert 290 < waits[1] <= 300
    assert waits[2:] == [None, 0.0]


def refusing(*poison: str) -> Callable[[list[dict[str, Any]]], Reply]:
    """Make a gateway that refuses every batch with one of these messages in it."""

    def reply(batch: list[dict[str, Any]]) -> Reply:
        return (400, {}, b"no") if any(each["messageId"] in poison for each in batch) else OK

    return reply


def test_a_refused_batch_is_halved_down_to_the_culprits() -> None:
    """Two poison events among 200: exactly they are rejected, all others arrive once, with few extra posts."""
    batch = stored(*(record() for _ in range(200)))
    poison = [batch[3], batch[150]]
    reply = refusing(*(str(each.record.key) for each in poison))
    with gateway(reply) as server:
        answer = sink(server.url).deliver(batch)
        accepted = [post for post in server.batches if reply(post) is OK]
    assert answer == Rejected({each.seq: Refusal("the data plane answered 400: no") for each in poison})
    arrived = [each["messageId"] for post in accepted for each in post]
    assert arrived == [str(each.record.key) for each in batch if each not in poison]
    assert len(server.batches) < 35


def test_three_that_no_gateway_takes_are_found_before_anything_is_posted(tmp_path: Path) -> None:
    """A NaN, 5 MB and a blank user among 1,000: three refusals with their field, 997 delivered, no post in vain."""
    batch = stored(*(record(event(data=CALL | {"user_id": f"u-{number}"})) for number in range(1000)))
    wrong = {
        batch[17].seq: (b'{"data": {"score": NaN}}', "data.score"),
        batch[500].seq: (b'{"data": {"note": "%s"}}' % (b"x" * 5_000_000), "data.note"),
        batch[999].seq: (b'{"data": {"user_id": "  "}}', "data.user_id"),
    }
    for each in batch:
        if each.seq in wrong:
            object.__setattr__(each.record, "body", wrong[each.seq][0])
    with dataplane(tmp_path) as server:
        answer = sink(server.url).deliver(batch)
        assert isinstance(answer, Rejected)
        assert {seq: refusal.field for seq, refusal in answer.refusals.items()} == {
            seq: field for seq, (_, field) in wrong.items()
        }
        stats = server.store.stats()
    assert (stats["messages"], stats["distinct"]) == (997, 997)


def test_a_gateway_that_fails_in_the_middle_of_halving_rejects_nothing() -> None:
    """An answer that is not about the events stops the search: all of it goes again, later."""
    answers = iter([(400, {}, b"no"), OK, (503, {}, b"later")])
    with gateway(lambda _: next(answers)) as server:
        assert isinstance(sink(server.url).deliver(stored(record(), record(), record())), Deferred)


def test_bytes_that_are_no_event_never_reach_the_gateway() -> None:
    """A record that cannot be encoded is rejected with what is wrong; the others go."""
    good, bad = record(), record()
    object.__setattr__(bad, "body", b"{")
    with gateway(lambda _: OK) as server:
        answer = sink(server.url).deliver(stored(bad, good))
    assert isinstance(answer, Rejected)
    assert list(answer.refusals) == [1]
    assert [each["messageId"] for each in server.batches[0]] == [str(good.key)]


def test_nobody_there_defers() -> None:
    """A connection refused is no answer: deferred, and nothing of the write key in the reason."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answer = sink(f"http://127.0.0.1:{port}").deliver(stored(record()))
    assert answer == Deferred("no answer from the data plane: ConnectionError")


def test_a_gateway_that_hangs_defers_after_the_timeout() -> None:
    """A connection that is taken and never answered ends with the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = sink(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.2).deliver(stored(record()))
    assert answer == Deferred("no answer from the data plane: ReadTimeout")


def test_an_answer_cut_in_mid_body_defers() -> None:
    """A 200 that breaks off may or may not have been committed: it goes again under the same messageId."""
    with gateway(lambda _: (200, {"Content-Length": "100"}, b"O")) as server:
        assert isinstance(sink(server.url).deliver(stored(record())), Deferred)


def test_an_address_that_is_none_defers() -> None:
    """A URL that no request can be made of parks the sink; it loses nothing."""
    assert isinstance(sink("not a url").deliver(stored(record())), Deferred)


def parcels(*contents: Message) -> list[Parcel[Message]]:
    """Number messages."""
    return [Parcel(number, each) for number, each in enumerate(contents)]


def test_posts_stay_below_the_gateways_limits() -> None:
    """A batch is cut by bytes as they are written and by number; order is kept, and nothing gives no post."""
    large = parcels(*(Message(b"x" * (MOST_BYTES // 3), number) for number in range(7)))
    assert [[each.seq for each in post] for post in posts(large)] == [[0, 1], [2, 3], [4, 5], [6]]
    many = parcels(*(Message(b"{}", number) for number in range(MOST_EVENTS + 1)))
    assert [len(post) for post in posts(many)] == [MOST_EVENTS, 1]
    assert list(posts([])) == []


def test_no_post_holds_more_of_one_user_than_the_gateway_keeps_in_order() -> None:
    """A busy user's messages are cut into several posts, in their order; the others' are not."""
    busy = parcels(*(Message(b"{}", "ann") for _ in range(MOST_OF_ONE + 50)), Message(b"{}", "bob"))
    assert [len(post) for post in posts(busy)] == [MOST_OF_ONE, 51]


def test_each_thread_has_a_session_of_its_own() -> None:
    """Relays in several threads never share a connection, nor each other's answers."""
    with (
        gateway(lambda batch: (503, {"Retry-After": batch[0]["userId"]}, b"")) as server,
        ThreadPoolExecutor(4) as pool,
    ):

        def deliver(number: int) -> bool:
            who = CALL | {"user_id": str(number)}
            answer = sink(server.url).deliver(stored(record(event(LLM_CALL, who))))
            return isinstance(answer, Deferred) and answer.retry_after == number

        assert all(pool.map(deliver, range(1, 41)))


def test_the_sdk_still_has_what_the_sink_leans_on() -> None:
    """`request.post` goes through `request._session`, which is ours; a 200 gives the response back."""
    with gateway(lambda _: OK) as server:
        answer = sdk.post(server.url, WRITE_KEY, [b'{"messageId": "1"}'], 5.0)
    assert answer == sdk.Answer(200, "OK")
    assert server.batches == [[{"messageId": "1"}]]


def test_a_written_batch_makes_the_request_that_the_sdk_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that are written already go out as the SDK sends its own: URL, headers, key and body."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def post(url: str, **arguments: Any) -> SimpleNamespace:
        asked.append((url, arguments))
        return SimpleNamespace(status_code=200, content=b"OK")

    monkeypatch.setattr(sdk.sdk, "_session", SimpleNamespace(post=post))
    messages: list[dict[str, Any]] = [{"messageId": "1", "event": "é"}, {"messageId": "2"}]
    sdk.sdk.post(WRITE_KEY, "http://gateway/", timeout=5, batch=messages)
    sdk.post("http://gateway/", WRITE_KEY, [orjson.dumps(each) for each in messages], 5)
    (their_url, theirs), (our_url, ours) = asked
    bodies = [orjson.loads(gzip.decompress(each.pop("data"))) for each in (theirs, ours)]
    assert [each.pop("sentAt") > "2020" for each in bodies] == [True, True]
    assert bodies[0] == bodies[1] == {"batch": messages}
    assert (their_url, theirs) == (our_url, ours)


def test_an_answer_that_drips_is_given_up() -> None:
    """One byte now and then is no answer: the post ends, although no single read timed out."""
    with dripping() as url:
        answer = sink(url, timeout=0.3).deliver(stored(record()))
    assert isinstance(answer, Deferred)
    assert "no answer" in answer.reason


def test_an_answer_without_end_is_given_up() -> None:
    """More than any gateway says is not read: the relay's memory stays its own."""
    with gateway(lambda _: (503, {}, b"x" * (MOST_ANSWERED + 1))) as server:
        answer = sink(server.url, timeout=60).deliver(stored(record()))
    assert isinstance(answer, Deferred)
    assert "no answer" in answer.reason


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "nonsense"])
@pytest.mark.parametrize(("status", "kind"), [(200, Delivered), (401, Deferred), (503, Deferred)])
def test_an_answer_in_no_charset_is_an_answer(charset: str, status: int, kind: type) -> None:
    """Whatever an answer says that its text is written in, its status holds, and a 200 is not sent again."""
    said = (status, {"Content-Type": f"text/plain; charset={charset}"}, b"said \xff it")
    with gateway(lambda _: said) as server:
        answer = sink(server.url).deliver(stored(record()))
    assert isinstance(answer, kind)
    if isinstance(answer, Deferred):
        assert "said \ufffd it" in answer.reason
