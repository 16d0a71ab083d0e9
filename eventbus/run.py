"""One run of a task, as the request that Celery makes of its message names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eventbus.attempts import attempt_of
from eventbus.frozen import text
from eventbus.kept import BEGUN, KEY, MARK, body_bytes, kept
from eventbus.lost import key_of
from eventbus.wire import failure_id, message_failure_id

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_RETRIES: Final = 1 << 31


def retries_of(request: Mapping[str, Any]) -> int:
    """Give how often a task was retried before this run; what no Celery writes there counts as never."""
    retries = request.get("retries") or 0
    return retries if type(retries) is int and 0 <= retries < _MOST_RETRIES else 0


@dataclass(frozen=True, slots=True)
class Run:
    """A run, or a message that never became one; `properties` hold the message and, once it runs, since when."""

    id: str
    task: str
    retries: int
    attempt_id: str | None
    worker: str
    failure_id: str
    properties: Mapping[str, Any]

    @classmethod
    def of(cls, task: str, request: Mapping[str, Any]) -> Run:
        """Read the request of a task, as parent and child have it: the message's headers and a few things more."""
        attempt_id, retries = attempt_of(request), retries_of(request)
        return cls(
            id=text(request["id"]),
            task=text(task),
            retries=retries,
            attempt_id=attempt_id,
            worker=request.get("hostname") or "",
            failure_id=str(failure_id(request["id"], retries, attempt_id)),
            properties=request.get("properties") or {},
        )

    @classmethod
    def of_message(cls, message: Any, queue: str | None, worker: str) -> Run:  # noqa: ANN401 - kombu has no types
        """Read a message that Celery makes no request of; one that tells no id is named by what it holds."""
        headers = message.headers if isinstance(message.headers, dict) else {}
        properties = {**(message.properties or {}), KEY: kept(message, queue)}
        task_id, task = headers.get("id"), headers.get("task")
        named = task if isinstance(task, str) and task else "unknown"
        if isinstance(task_id, str) and task_id:
            return cls.of(named, {**headers, "hostname": worker, "properties": properties})
        own = {name: value for name, value in headers.items() if name != MARK and not str(name).startswith("redrive-")}
        given = str(message_failure_id(queue or "", own, body_bytes(message.body, message.content_encoding)))
        attempt_id = attempt_of(headers)
        known = given if attempt_id is None else str(failure_id(given, 0, attempt_id))
        return cls(given, named, 0, attempt_id, worker, known, properties)

    @property
    def key(self) -> str:
        """The run's name in the journal."""
        return key_of(self.id, self.retries, self.attempt_id, self.began_at)

    @property
    def headers(self) -> Mapping[str, Any]:
        """The headers of its message."""
        kept_message = self.properties.get(KEY)
        return (kept_message[3] if kept_message else None) or {}

    @property
    def began_at(self) -> float | None:
        """When it began, in seconds since the epoch; None where it did not, or nobody knows."""
        return self.properties.get(BEGUN)


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended badly: the way, as an event names it, and what was raised, or stands for it.

    `traceback` is made of `error` where it is None. `redelivery`: the broker still holds the message.
    """

    way: str
    error: BaseException
    traceback: str | None = None
    redelivery: bool = False
