"""The guard around a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from eventbus import scrub
from eventbus.wire import LLM_CALL
from orchestrator.domain.events import Deferred, Delivered, Refusal, Rejected
from orchestrator.sinks.guarded import GuardedSink
from orchestrator.sinks.memory import MemorySink
from tests.events import record, stored

if TYPE_CHECKING:
    from orchestrator.domain.events import Delivery


def answering(answer: Any) -> GuardedSink:  # noqa: ANN401 - what a sink of anybody's may answer
    """Guard a sink that answers so."""
    return GuardedSink(MemorySink("theirs", [LLM_CALL], [answer]))


@pytest.mark.parametrize("answer", [Delivered(), Deferred("down", 7), Rejected({1: Refusal("no")})])
def test_what_a_sink_answers_is_passed_on(answer: Delivery) -> None:
    """Name, types and each kind of answer are the sink's own."""
    sink = answering(answer)
    assert (sink.name, sink.types) == ("theirs", {LLM_CALL})
    assert sink.deliver(stored(record())) == answer


@pytest.mark.parametrize("answer", ["delivered", True, Rejected({7: Refusal("of another batch")}), Delivered])
def test_what_is_no_answer_is_no_delivery(answer: object) -> None:
    """The batch goes again, and the reason says what came."""
    deferred = answering(answer).deliver(stored(record()))
    assert isinstance(deferred, Deferred)
    assert "theirs" in deferred.reason


def test_a_part_of_the_batch_may_be_settled() -> None:
    """What comes up to an event of the batch, with what was refused of it, is passed on as it is."""
    partly = Deferred("busy", upto=2, refusals={1: Refusal("no")})
    assert answering(partly).deliver(stored(*[record() for _ in range(3)])) == partly


@pytest.mark.parametrize(
    "partly",
    [
        Deferred("busy", 7, upto=3),
        Deferred("busy", 7, upto=10**9),
        Deferred("busy", 7, upto=0),
        Deferred("busy", 7, upto="2"),  # type: ignore[arg-type] # what a sink of anybody's may answer
        Deferred("busy", 7, upto=1, refusals={2: Refusal("no")}),
        Deferred("busy", 7, upto=2, refusals={0: Refusal("no")}),
        Deferred("busy", 7, refusals={1: Refusal("no")}),
    ],
)
def test_no_cursor_moves_by_what_is_no_part_of_the_batch(partly: Deferred) -> None:
    """All of it goes again, when the sink said, and the reason says what is wrong with the answer."""
    deferred = answering(partly).deliver(stored(*[record() for _ in range(3)]))
    assert isinstance(deferred, Deferred)
    assert (deferred.upto, deferred.refusals, deferred.retry_after) == (None, {}, 7)
    assert deferred.reason.startswith("busy; expected of the sink theirs")


def test_a_sink_that_says_nothing_has_delivered_nothing() -> None:
    """A `return` that was forgotten must not be taken for a delivery."""

    class Silent(MemorySink):
        def deliver(self, batch: Any) -> Any:  # noqa: ANN401 - as above
            super().deliver(batch)

    assert isinstance(GuardedSink(Silent("theirs", [LLM_CALL])).deliver(stored(record())), Deferred)


def test_a_sink_that_raises_holds_its_batch_back_and_is_told() -> None:
    """Its fault stands in the log with the traceback, and in what `redrive sinks` shows as the last error."""

    class Broken(MemorySink):
        def deliver(self, batch: Any) -> Any:  # noqa: ANN401, ARG002 - as above
            raise KeyError("model")

    with capture_logs() as logs:
        deferred = GuardedSink(Broken("theirs", [LLM_CALL])).deliver(stored(record()))
    assert deferred == Deferred("the sink theirs raised KeyError: 'model'")
    assert [(line["event"], line["sink"]) for line in logs] == [("sink.broke", "theirs")]


def test_what_a_sink_raises_is_told_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What broke may name the key or the address with its password."""

    class Broken(MemorySink):
        def deliver(self, batch: Any) -> Any:  # noqa: ANN401, ARG002 - as above
            raise OSError("no way to https://me:hunter22@example.com with s3cret-of-mine")

    monkeypatch.setattr(scrub, "KNOWN", scrub.Scrubber())
    scrub.KNOWN.learn("s3cret-of-mine")
    deferred = GuardedSink(Broken("theirs", [LLM_CALL])).deliver(stored(record()))
    assert deferred == Deferred(
        "the sink theirs raised OSError: no way to https://me:[hidden]@example.com with [hidden]"
    )


@pytest.mark.parametrize(
    "answer",
    [
        Deferred("s3cr3t-w0rd", upto=1, refusals={1: Refusal("s3cr3t-w0rd")}),
        Rejected({1: Refusal("s3cr3t-w0rd", "name")}),
    ],
)
def test_what_a_server_says_back_is_told_without_secrets(
    answer: Deferred | Rejected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reasons become dead letters, which whoever may read events reads: a server may echo what we sent it."""
    monkeypatch.setattr(scrub, "KNOWN", scrub.Scrubber())
    scrub.KNOWN.learn("s3cr3t-w0rd")
    told = GuardedSink(MemorySink("theirs", [LLM_CALL], [answer])).deliver(stored(record(), record()))
    assert "s3cr3t" not in repr(told)
    assert type(told) is type(answer)
    assert scrub.HIDDEN in repr(told)
