"""The CloudEvents sink: both JSON modes, and what each answer means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import orjson
import pytest

from eventbus.wire import LLM_CALL
from orchestrator.domain.events import Deferred, Delivered, EventRecord, Outcome, Refusal, Rejected
from orchestrator.sinks.cloudevents import CloudEventsSink
from tests.events import record, stored
from tests.gateway import dripping
from tests.receiver import BATCH, SINGLE, receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.receiver import Receiver


def sink(server: Receiver, *, single: bool = False) -> CloudEventsSink:
    """Make a sink that posts to a test's receiver."""
    return CloudEventsSink(server.url, [LLM_CALL], {"X-Key": "the key"}, 5.0, single=single)


@pytest.mark.parametrize(("single", "kind"), [(False, BATCH), (True, SINGLE)])
def test_the_events_arrive_as_they_were_accepted(single: bool, kind: str) -> None:
    """In one post as a batch, or each by itself; in their order, with the key in the header."""
    given = [record() for _ in range(3)]
    with receiver() as server:
        assert sink(server, single=single).deliver(stored(*given)) == Delivered()
        assert server.taken == [orjson.loads(each.body) for each in given]
        assert [len(post) for post in server.posts] == ([1, 1, 1] if single else [3])
        assert {(asked["content-type"], asked["x-key"]) for asked in server.asked} == {
            (f"{kind}; charset=utf-8", "the key")
        }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (207, Outcome.CONFIG),
        (302, Outcome.CONFIG),
        (401, Outcome.CONFIG),
        (410, Outcome.CONFIG),
        (415, Outcome.CONFIG),
        (408, Outcome.FAILURE),
        (500, Outcome.FAILURE),
        (503, Outcome.FAILURE),
        (429, Outcome.THROTTLE),
    ],
)
def test_an_answer_that_is_not_about_the_events_keeps_them(status: int, outcome: Outcome) -> None:
    """Nothing counts as delivered that the receiver has not said to have, and it is asked once."""
    with receiver() as server:
        server.reply = lambda _: status
        server.headers = {"Location": "/elsewhere"}
        answer = sink(server).deliver(stored(record(), record()))
        assert isinstance(answer, Deferred)
        assert (answer.outcome, str(status) in answer.reason) == (outcome, True)
        assert len(server.posts) == 1


@pytest.mark.parametrize("charset", ["undefined", "idna", "nonsense"])
def test_an_answer_in_no_charset_is_an_answer(charset: str) -> None:
    """Whatever an answer says that its text is written in, its status and its words hold."""
    with receiver() as server:
        server.reply = lambda _: 503
        server.headers = {"Content-Type": f"text/plain; charset={charset}", "Retry-After": "17"}
        answer = sink(server).deliver(stored(record()))
    assert isinstance(answer, Deferred)
    assert answer.retry_after == 17


def test_retry_after_is_kept_in_seconds_and_as_a_date() -> None:
    """Both forms reach the relay as seconds."""
    with receiver() as server:
        server.reply = lambda _: 503
        server.headers = {"Retry-After": "17"}
        seconds = sink(server).deliver(stored(record()))
        server.headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}
        date = sink(server).deliver(stored(record()))
    assert isinstance(seconds, Deferred)
    assert isinstance(date, Deferred)
    assert seconds.retry_after == 17
    assert date.retry_after is not None
    assert 3000 < date.retry_after <= 3600


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_refused_is_found_among_the_others(status: int) -> None:
    """The culprit is rejected with the answer, each of the others arrives once."""
    given = [record() for _ in range(20)]
    with receiver() as server:
        server.reply = lambda events: status if any(each["id"] == given[7].id for each in events) else 200
        answer = sink(server).deliver(stored(*given))
        assert answer == Rejected({8: Refusal(f"the receiver of events answered {status}: so")})
        assert [each["id"] for each in server.taken] == [each.id for each in given if each is not given[7]]


def test_a_single_post_that_fails_stops_the_others() -> None:
    """Order is kept: what is behind a post that failed is not sent before it."""
    given = [record() for _ in range(4)]
    with receiver() as server:
        server.reply = lambda events: 503 if events[0]["id"] == given[1].id else 204
        answer = sink(server, single=True).deliver(stored(*given))
        assert isinstance(answer, Deferred)
        assert [each["id"] for each in server.taken] == [given[0].id]


def test_a_receiver_that_drips_is_given_up() -> None:
    """The whole answer is bounded, not only each read."""
    with dripping() as url:
        answer = CloudEventsSink(url, [LLM_CALL], {}, 0.3).deliver(stored(record()))
    assert isinstance(answer, Deferred)


def test_what_json_cannot_hold_is_named_and_not_sent() -> None:
    """The field of the bad number is in the refusal."""
    made, good = record(), record()
    bad = EventRecord(made.key, made.id, made.source, made.type, made.time, made.lane, b'{"data": {"x": [NaN]}}')
    with receiver() as server:
        answer = sink(server).deliver(stored(bad, good))
        assert isinstance(answer, Rejected)
        assert answer.refusals[1].field == "data.x[0]"
        assert [each["id"] for each in server.taken] == [good.id]


def test_a_netrc_never_replaces_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the settings give is what is sent, whatever the home folder holds for that host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with receiver() as server:
        CloudEventsSink(server.url, [LLM_CALL], {"Authorization": "Bearer ours"}, 5.0).deliver(stored(record()))
        assert server.asked[0]["authorization"] == "Bearer ours"
