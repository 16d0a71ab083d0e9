"""Messages that never become a run: reported before they are gone, and a body that can't be decoded kept first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from kombu.message import Message

from eventbus import wire
from eventbus.consumer import watching
from eventbus.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventbus.run import End


class Channel:
    """What a message answers on."""

    no_ack_consumers = None

    def __init__(self) -> None:
        self.answers: list[str] = []

    def basic_ack(self, _tag: str, *, multiple: bool = False) -> None:  # noqa: ARG002 - as kombu calls it
        """Acknowledge."""
        self.answers.append("ack")

    def basic_reject(self, _tag: str, *, requeue: bool) -> None:
        """Give back, or refuse."""
        self.answers.append("requeue" if requeue else "reject")


class Timer:
    """Remembers what is to happen later."""

    def __init__(self) -> None:
        self.later: list[tuple[Callable[..., None], Any]] = []

    def call_after(self, _seconds: float, call: Callable[..., None], args: Any) -> None:  # noqa: ANN401 - as kombu calls it
        """Remember it."""
        self.later.append((call, args))


class Base:
    """The part of Celery's Consumer that acknowledges what can't be decoded."""

    app = None
    hostname = "celery@here"
    connection_errors = ()

    def __init__(self) -> None:
        self.timer = Timer()

    def call_soon(self, call: Callable[..., None], *args: object) -> None:
        """Call it."""
        call(*args)

    def create_task_handler(self) -> Callable[[Any], None]:
        """As Celery does: what it makes of a message's body is args, kwargs and the rest."""

        def on_task_received(message: Any) -> None:  # noqa: ANN401 - celery has no types
            Request(message, app=self.app, task=message, headers=message.headers)

        return on_task_received

    def on_decode_error(self, message: Any, _exc: Exception) -> None:  # noqa: ANN401 - celery has no types
        """As Celery does."""
        message.ack()


class Told:
    """A main process that notes what it is told, and whether bus or spool will ever have it."""

    def __init__(self) -> None:
        self.refusals: list[tuple[Run, End]] = []
        self.kept: list[Callable[[], None]] = []

    def queue_of(self, _message: object) -> str:
        """Name the queue."""
        return "celery"

    def refused(self, run: Run, end: End, on_kept: Callable[[], None]) -> None:
        """Note it."""
        self.refusals.append((run, end))
        self.kept.append(on_kept)


@pytest.fixture
def channel() -> Channel:
    """A channel."""
    return Channel()


def undecodable(channel: Channel) -> Any:  # noqa: ANN401 - kombu has no types
    """A delivery of bytes that are not what they say."""
    headers = {"id": "t-1", "task": "tasks.add"}
    return Message(b"{no", headers=headers, content_type="application/json", channel=channel, delivery_tag="1")


def test_an_undecodable_message_is_acknowledged_once_it_is_kept(channel: Channel) -> None:
    """Not before bus or spool has it, and then once; the time-out finds nothing to do."""
    told = Told()
    consumer = watching(Base, told, lambda _: None)()  # type: ignore[arg-type]  # a stand-in
    consumer.on_decode_error(undecodable(channel), ValueError("no JSON"))
    assert channel.answers == []
    told.kept[0]()
    assert channel.answers == ["ack"]
    for call, args in consumer.timer.later:
        call(*args)
    assert channel.answers == ["ack"]
    ((run, end),) = told.refusals
    assert (run.id, run.task, end.way) == ("t-1", "tasks.add", "undecodable")


def test_an_undecodable_message_that_nobody_keeps_goes_back_to_its_queue(channel: Channel) -> None:
    """Neither bus nor spool has it in time: the broker does."""
    consumer = watching(Base, Told(), lambda _: None)()  # type: ignore[arg-type]  # a stand-in
    consumer.on_decode_error(undecodable(channel), ValueError("no JSON"))
    for call, args in consumer.timer.later:
        call(*args)
    assert channel.answers == ["requeue"]


def test_a_user_s_consumer_stays_the_base_and_is_extended_once() -> None:
    """What an application put there does what it did."""
    told = Told()

    def started(_: object) -> None: ...

    extended = watching(Base, told, started)  # type: ignore[arg-type]  # a stand-in
    assert issubclass(extended, Base)
    assert watching(Base, told, started) is extended  # type: ignore[arg-type]  # a stand-in


def test_a_redriven_message_without_an_id_is_known_by_the_message_it_is_of(channel: Channel) -> None:
    """Its redrive, which has one header more, is an attempt of the same failure."""
    attempt = "5f2f6b4e-7d2c-4c55-9a38-0c44d5b7a111"
    first, again = undecodable(channel), undecodable(channel)
    first.headers, again.headers = {}, {wire.ATTEMPT_HEADER: attempt}
    run, redriven = (Run.of_message(message, "celery", "celery@here") for message in (first, again))
    assert run.failure_id == run.id == redriven.id
    assert (run.attempt_id, redriven.attempt_id) == (None, attempt)


def with_body(body: bytes, channel: Channel, **headers: str) -> Any:  # noqa: ANN401 - kombu has no types
    """A delivery of a task with this body."""
    headers = {"id": "t-1", "task": "tasks.add", "ignore_result": "yes", **headers}
    kind = {"content_type": "application/json", "content_encoding": "utf-8"}
    return Message(body, headers=headers, channel=channel, delivery_tag="1", **kind)


@pytest.mark.parametrize("body", [b"5", b"null", b"[]", b"[1, 2]", b'{"a": 1}'])
def test_a_body_that_is_no_call_of_a_task_ends_no_worker(channel: Channel, body: bytes) -> None:
    """It is told as undecodable and acknowledged; Celery lets the fault out of its event loop."""
    told = Told()
    consumer = watching(Base, told, lambda _: None)()  # type: ignore[arg-type]  # a stand-in
    consumer.create_task_handler()(with_body(body, channel))
    ((run, end),) = told.refusals
    assert (run.id, end.way, type(end.error)) in {("t-1", "undecodable", ValueError), ("t-1", "undecodable", TypeError)}
    told.kept[0]()
    assert channel.answers == ["ack"]


def test_another_fault_stays_celery_s(channel: Channel) -> None:
    """What is wrong with a message whose body is a call is not ours to judge."""
    told = Told()
    consumer = watching(Base, told, lambda _: None)()  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(InvalidTaskError):
        consumer.create_task_handler()(with_body(b"[[], {}, {}]", channel, eta="never"))
    assert (told.refusals, channel.answers) == ([], [])
