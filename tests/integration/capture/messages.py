"""Messages as a caller publishes them, known to the byte; and what of one a capture kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import kombu
from celery import Celery

import eventbus.transport  # noqa: F401 - registers redrive+sqlite://
from eventbus import wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orchestrator.domain.failures import TaskMessage

# Odd spacing and a character beyond ASCII: to decode and encode this again would not give the same bytes.
BODY = '[ ["é"], {"k":  1}, {"callbacks":null, "errbacks":null, "chain":null, "chord":null}]'.encode()
PROPERTIES = ("correlation_id", "reply_to", "priority", "delivery_mode")


@dataclass(frozen=True)
class Sent:
    """One message, as it was handed to the broker."""

    id: str
    body: bytes
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    content_type: str
    content_encoding: str
    queue: str

    @property
    def failure_id(self) -> UUID:
        """The id under which a failure of its first run is known."""
        if "id" in self.headers:
            return wire.failure_id(self.id, 0, None)
        return wire.message_failure_id(self.queue, self.headers, self.body)


def publish(url: str, task: str, *, task_id: str = "", queue: str = "celery", **changes: Any) -> Sent:
    """Publish a task's message; `changes` replace its body, headers, content type or encoding."""
    task_id = task_id or str(uuid4())
    caller = Celery("caller", set_as_current=False)
    made = caller.amqp.as_task_v2(task_id, task, args=(), kwargs={}, reply_to="the caller")
    given = {"body": BODY, "content_type": "application/json", "content_encoding": "utf-8", **changes}
    headers = given.pop("headers", {**made.headers, "my-header": ["mine", 1], **given.pop("more_headers", {})})
    sent = Sent(
        id=task_id,
        headers=json.loads(json.dumps(headers)),
        properties={"priority": 3, "delivery_mode": 2, **made.properties},
        queue=queue,
        **given,
    )
    with kombu.Connection(url) as connection:
        kombu.Producer(connection.channel()).publish(
            sent.body,
            exchange="",
            routing_key=queue,
            headers=dict(headers),
            content_type=sent.content_type,
            content_encoding=sent.content_encoding,
            **sent.properties,
        )
    return sent


class _Noting(kombu.Producer):
    """Publishes, and keeps what it handed to the broker."""

    handed: tuple[Any, ...] = ()

    def _publish(self, *message: Any, **options: Any) -> Any:  # noqa: ANN401 - kombu has no types
        self.handed = message
        return super()._publish(*message, **options)


def call(url: str, task: str, *, expires: datetime | int, queue: str = "celery") -> Sent:
    """Have Celery itself publish a task that expires: what it sets on the message beside the header is on it."""
    with Celery("caller", broker=url, set_as_current=False) as caller, caller.connection_for_write() as connection:
        producer = _Noting(connection.channel())
        options = {"queue": queue, "priority": 3, "reply_to": "the caller", "headers": {"my-header": ["mine", 1]}}
        sent = caller.send_task(task, expires=expires, producer=producer, **options)
    body, _, content_type, content_encoding, headers, properties, *_ = producer.handed
    return Sent(
        id=sent.id,
        body=body.encode() if isinstance(body, str) else bytes(body),
        headers=json.loads(json.dumps(headers)),
        properties={"priority": 3, **properties},
        content_type=content_type,
        content_encoding=content_encoding,
        queue=queue,
    )


def assert_whole(sent: Sent, kept: TaskMessage) -> None:
    """Hold a captured message to the one that was sent: bytes, headers, properties, type and routing."""
    assert kept.body == sent.body
    headers = {name: value for name, value in wire.thaw(kept.headers).items() if not name.startswith("x-")}
    assert headers == sent.headers
    assert wire.thaw(kept.properties).items() >= {name: sent.properties[name] for name in PROPERTIES}.items()
    assert (kept.content_type, kept.content_encoding) == (sent.content_type, sent.content_encoding)
    assert (kept.exchange, kept.routing_key) == ("", sent.queue)
    assert (kept.missing, kept.claim, kept.redacted, kept.sealed) == (False, None, (), None)


NOT_JSON = b'[["\xff\xfe'
