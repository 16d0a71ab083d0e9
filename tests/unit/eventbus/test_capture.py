"""Capture: the message stays whole on its way to the pool, and costs it a reference, not a copy."""

from __future__ import annotations

import pickle
from base64 import b64decode
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.worker.request import Request
from kombu.message import Message

from eventbus.capture import keeping, message_of

app = Celery("capture", set_as_current=False)
BODY = b'[[1, "%s"], {}, {"chain": null}]' % (b"x" * 10_000)


@app.task(name="capture.run", shared=False)  # type: ignore[untyped-decorator]  # celery has no types
def run(*_: Any) -> None:
    """Do nothing."""


@pytest.fixture
def request_of_worker() -> Request:
    """A request as the worker's parent makes it."""
    headers = {"id": "t-1", "task": "capture.run", "lang": "py", "my-header": b"\x00"}
    properties = {"correlation_id": "t-1", "priority": 0, "delivery_mode": 2, "delivery_tag": "7", "reply_to": None}
    message = Message(
        BODY, content_type="application/json", content_encoding="utf-8", headers=headers, properties=properties,
        delivery_info={"exchange": "e", "routing_key": "r", "consumer_tag": "c"},
    )  # fmt: skip
    return keeping(Request)(message, app=app, task=app.tasks["capture.run"], body=message.body, headers=headers)


def in_the_child(request: Request) -> Context:
    """Give the task's context as a pool child makes it, after the way through a pipe."""
    _, request_dict, _ = pickle.loads(pickle.dumps((request.body, request.request_dict, request.content_type)))  # noqa: S301 - as Celery does it
    request_dict.update({"args": ["changed"], "hostname": "celery@h"})
    return Context(request_dict)


def test_the_message_comes_whole_to_the_child(request_of_worker: Request) -> None:
    """Body, headers, basic properties, exchange and routing key arrive as they were; the transport's own do not."""
    assert message_of(in_the_child(request_of_worker)) == {
        "body": message_of(request_of_worker._context)["body"],  # type: ignore[index]  # it has one
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {"id": "t-1", "task": "capture.run", "lang": "py", "my-header": {"$bytes": "AA=="}},
        "properties": {"correlation_id": "t-1", "priority": 0, "delivery_mode": 2},
        "exchange": "e",
        "routing_key": "r",
        "queue": None,
    }
    message = message_of(in_the_child(request_of_worker))
    assert message is not None
    assert b64decode(message["body"]) == BODY


def test_the_body_is_not_sent_twice(request_of_worker: Request) -> None:
    """Handing the body over once more adds a reference to the pickle, not its bytes."""
    assert len(pickle.dumps((request_of_worker.body, request_of_worker.request_dict))) < len(BODY) * 2.1 + 2000
    kept = pickle.dumps((request_of_worker.body, request_of_worker.request_dict["properties"]))
    assert len(kept) < len(BODY) + 1000


def test_the_kept_message_does_not_leak_into_the_headers_of_a_retry(request_of_worker: Request) -> None:
    """Celery copies what it does not know into a retry's headers; the kept message is not among it."""
    context = in_the_child(request_of_worker)
    assert context.headers == {"my-header": b"\x00"}
    assert "redrive" not in context.as_execution_options()["headers"]


def test_a_run_that_came_by_no_message_has_none() -> None:
    """A task that is called directly, or eagerly, has nothing to publish again."""
    assert message_of(Context({"id": "t-1"})) is None


def test_a_request_class_is_extended_once() -> None:
    """Extending a class that keeps already, or one named by its path, gives the same class."""
    extended = keeping("celery.worker.request:Request")
    assert keeping(extended) is extended
    assert issubclass(extended, Request)
