"""What Celery reports of a failure by itself: every signal that could tell of one, noted as it comes.

Of each report the parts are kept from which a redrive could be made, so that the test can say what was missing.
"""

from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import orjson
from celery import signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EMBED = ("callbacks", "errbacks", "chain", "chord")


def connect(path: Path) -> None:
    """Note every report as one line of JSON in the file."""

    def note(signal: str, task_id: object, found: dict[str, Any]) -> None:
        line = orjson.dumps({"signal": signal, "id": task_id, "found": found}, default=str)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(file, line + b"\n")
        os.close(file)

    def failed(**told: Any) -> None:
        note("task_failure", told["task_id"], of_request(told["sender"].request, told["args"], told["kwargs"]))

    def with_request(name: str) -> Callable[..., None]:
        def noted(**told: Any) -> None:
            request = told["request"]
            note(name, request.id, of_request(request, request.args, request.kwargs))

        return noted

    def with_message(name: str) -> Callable[..., None]:
        def noted(**told: Any) -> None:
            note(name, (told["message"].headers or {}).get("id"), of_message(told["message"]))

        return noted

    signals.task_failure.connect(failed, weak=False)
    signals.task_retry.connect(with_request("task_retry"), weak=False)
    signals.task_revoked.connect(with_request("task_revoked"), weak=False)
    signals.task_unknown.connect(with_message("task_unknown"), weak=False)
    signals.task_rejected.connect(with_message("task_rejected"), weak=False)


def of_request(request: Any, args: object, kwargs: object) -> dict[str, Any]:  # noqa: ANN401 - celery has no types
    """Give what a handler finds of the message in a request: arguments, canvas, headers, properties, routing."""
    delivery = request.delivery_info or {}
    found = {
        "arguments": [args, kwargs, {name: getattr(request, name, None) for name in EMBED}],
        "headers": request.headers,
        "properties": request.properties,
        "routing_key": delivery.get("routing_key"),
    }
    return {name: value for name, value in found.items() if value is not None}


def of_message(message: Any) -> dict[str, Any]:  # noqa: ANN401 - kombu has no types
    """Give what a handler finds in a message that reached it raw."""
    body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
    return {
        "body": b64encode(body).decode(),
        "headers": message.headers,
        "properties": message.properties,
        "routing_key": (message.delivery_info or {}).get("routing_key"),
    }
