"""The message of a task, kept whole until the task has ended, where a failing run can reach it.

In the worker's parent a subclass of the task's Request hands it to the pool with everything else, under `properties`
(which Celery passes on and reads nothing more of). The body is the same object as the one that Celery hands over, so
that pickling it twice costs a reference.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from celery.utils.imports import symbol_by_name

from eventbus.wire import freeze

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery.app.task import Context

KEY: Final = "redrive"
# AMQP 0-9-1 basic properties, without the three that a message carries beside them.
PROPERTIES: Final = (
    "correlation_id",
    "reply_to",
    "priority",
    "delivery_mode",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)


class _Keeping:
    """Mixed into a Request class: keeps body, content type and encoding, headers, exchange and routing key."""

    _request_dict: dict[str, Any]

    def __init__(self, message: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401 - celery has no types
        super().__init__(message, *args, **options)  # type: ignore[call-arg]  # of the Request it is mixed into
        delivery = message.delivery_info or {}
        kept = (
            message.body,
            message.content_type,
            message.content_encoding,
            message.headers,
            delivery.get("exchange"),
            delivery.get("routing_key"),
        )
        self._request_dict["properties"] = {**(message.properties or {}), KEY: kept}


@cache
def keeping(request_class: type | str) -> type:
    """Give the subclass of a task's Request class that keeps the message."""
    base = symbol_by_name(request_class)
    return base if issubclass(base, _Keeping) else type(base.__name__, (_Keeping, base), {})


def message_of(request: Context) -> dict[str, Any] | None:
    """Give the message of a run as data of an event; None for a run that came by no message, an eager one."""
    properties: Mapping[str, Any] = request.properties or {}
    if KEY not in properties:
        return None
    body, content_type, content_encoding, headers, exchange, routing_key = properties[KEY]
    if isinstance(body, str):
        body = body.encode(content_encoding or "utf-8")
    return {
        "body": b64encode(body).decode(),
        "content_type": content_type or "",
        "content_encoding": content_encoding or "",
        "headers": freeze(dict(headers or {})),
        "properties": {name: freeze(properties[name]) for name in PROPERTIES if properties.get(name) is not None},
        "exchange": exchange or "",
        "routing_key": routing_key or "",
    }
