"""The main process of the timed sample app's worker: how long it takes over each message, around all that hooks in.

A step of the worker's own start mixes this into its Consumer class and its tasks' Request classes, after every other
step was made: the plugin's classes lie inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from celery import bootsteps
from celery.utils.imports import symbol_by_name

from loadtests.apps.clock import Reading, now
from loadtests.apps.timed_prefork import ATTEMPT, RECEIVED, stamp
from loadtests.stamps import line

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.worker import WorkController


@dataclass(slots=True)
class Receipt:
    """The message that this process is at, and the request that Celery made of it; one at a time, in its event loop."""

    began: Reading = field(default_factory=Reading)
    request: Any = None


receipt = Receipt()


class Timing(bootsteps.StartStopStep):
    """Its turn comes after all steps were made and before the consumer is: Celery puts that last."""

    def create(self, worker: WorkController) -> None:
        """Mix in what takes the time."""
        worker.consumer_cls = receiving(worker.consumer_cls)
        for task in worker.app.tasks.values():
            task.Request = received(task.Request)


@cache
def receiving(consumer_class: type | str) -> type:
    """Give a Consumer class that stamps each message of a task."""
    base = symbol_by_name(consumer_class)
    return type(base.__name__, (_Receiving, base), {})


@cache
def received(request_class: type | str) -> type:
    """Give a Request class that says when its message was received, and how long its acceptance took."""
    base = symbol_by_name(request_class)
    return type(base.__name__, (_Received, base), {})


class _Receiving:
    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        handle: Callable[[Any], Any] = super().create_task_handler(*args, **options)  # type: ignore[misc]  # of the Consumer it is mixed into

        def on_task_received(message: Any) -> Any:  # noqa: ANN401 - celery has no types
            receipt.began, receipt.request = now(), None
            try:
                return handle(message)
            finally:
                if receipt.request is not None:
                    _took("received", receipt.request, receipt.began)

        return on_task_received


class _Received:
    def __init__(self, message: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401 - celery has no types
        super().__init__(message, *args, **options)  # type: ignore[call-arg]  # of the Request it is mixed into
        self.received = receipt.began.at
        receipt.request = self
        self.request_dict["properties"][RECEIVED] = receipt.began.at  # type: ignore[attr-defined]  # of the Request it is mixed into

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Take what a child's acceptance of the run costs this process."""
        began = now()
        super().on_accepted(pid, time_accepted)  # type: ignore[misc]  # of the Request it is mixed into
        _took("accepted", self, began)


def _took(kind: str, request: Any, began: Reading) -> None:  # noqa: ANN401 - celery has no types
    took, names = now() - began, _names(request)
    stamp(line(kind, *names, took.at) + line("delayed", *names, took.delayed))


def _names(request: Any) -> tuple[str, str, float]:  # noqa: ANN401 - celery has no types
    return request.id, request.request_dict.get(ATTEMPT) or "-", request.received
