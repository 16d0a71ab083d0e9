"""What is mixed into the worker's Consumer class: a message that never becomes a run is reported before it is gone."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from celery.exceptions import InvalidTaskError, NotRegistered
from celery.utils.imports import symbol_by_name
from celery.utils.log import get_logger

from eventbus.guard import harmless
from eventbus.run import End, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventbus.parent import Parent

logger = get_logger(__name__)
HOLD_SECONDS: Final = 30.0


class Watching:
    """Mixed into a Consumer class. `_started(consumer)` is called each time that it has its tasks ready."""

    _redrive: Parent
    _redrive_started: Callable[[Any], None]
    app: Any
    hostname: str
    timer: Any
    connection_errors: tuple[type[Exception], ...]
    call_soon: Callable[..., Any]

    def update_strategies(self) -> None:
        """Tell, at the start and after each new connection, that the tasks are ready to run."""
        super().update_strategies()  # type: ignore[misc]  # of the Consumer it is mixed into
        self._redrive_started(self)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Give what takes each message: a body that is no call of a task is one that can't be decoded.

        Celery lets the fault out of its event loop: the worker ends or stands still, and so does each next one that the
        broker gives the message to.
        """
        handle: Callable[[Any], Any] = super().create_task_handler(*args, **options)  # type: ignore[misc]  # of the Consumer it is mixed into

        def on_task_received(message: Any) -> Any:  # noqa: ANN401 - celery has no types
            try:
                return handle(message)
            except Exception as error:
                if message.acknowledged or _is_call(message):
                    raise
                return self.on_decode_error(message, error)

        return on_task_received

    def on_unknown_message(self, body: object, message: Any) -> None:  # noqa: ANN401 - celery has no types
        """Report a message that is no task's: no headers, or none that Celery knows."""
        self._refused(message, End("refused", InvalidTaskError("expected headers that name a task, got none")))
        super().on_unknown_message(body, message)  # type: ignore[misc]  # of the Consumer it is mixed into

    def on_unknown_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ANN401 - celery has no types
        """Report a task that this worker does not know."""
        self._refused(message, End("unknown_task", NotRegistered(str(exc.args[0]) if exc.args else "")))
        super().on_unknown_task(body, message, exc)  # type: ignore[misc]  # of the Consumer it is mixed into

    def on_invalid_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ANN401 - celery has no types
        """Report a message whose content type is not accepted, or that breaks Celery's protocol."""
        self._refused(message, End("refused", exc))
        super().on_invalid_task(body, message, exc)  # type: ignore[misc]  # of the Consumer it is mixed into

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401 - celery has no types
        """Report a body that can't be decoded: that Celery acknowledges it waits until bus or spool has it whole."""
        message.ack, kept = self._acknowledging(message)
        self._refused(message, End("undecodable", exc), kept)
        super().on_decode_error(message, exc)  # type: ignore[misc]  # of the Consumer it is mixed into

    def cancel_active_requests(self) -> None:
        """Note that a cold shutdown begins: Celery kills what runs."""
        self._redrive.cold = True
        super().cancel_active_requests()  # type: ignore[misc]  # of the Consumer it is mixed into

    @harmless
    def _refused(self, message: Any, end: End, on_kept: Callable[[], None] | None = None) -> None:  # noqa: ANN401 - celery has no types
        run = Run.of_message(message, self._redrive.queue_of(message), self.hostname)
        self._redrive.refused(run, end, on_kept)

    def _acknowledging(self, message: Any) -> tuple[Callable[[], None], Callable[[], None]]:  # noqa: ANN401 - celery has no types
        """Give what stands for `message.ack`, and what to call once the message is kept: it is acked after both.

        What is kept by nobody in time goes back to its queue.
        """
        acknowledge, waiting = message.ack, {"acknowledged", "kept"}

        def settle() -> None:
            if not message.acknowledged:
                message.ack = acknowledge
                message.ack_log_error(logger, self.connection_errors)

        def note(what: str) -> None:
            waiting.discard(what)
            if not waiting:
                self.call_soon(settle)

        def give_back() -> None:
            if not message.acknowledged:
                logger.warning("message.given_back: neither bus nor spool took a message that can't be decoded")
                message.reject_log_error(logger, self.connection_errors, requeue=True)

        self.timer.call_after(HOLD_SECONDS, self.call_soon, (give_back,))
        return partial(note, "acknowledged"), partial(note, "kept")


def _is_call(message: Any) -> bool:  # noqa: ANN401 - kombu has no types
    """Tell whether a body is args, kwargs and the rest; yes for protocol 1, where Celery has looked at it."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    body = message.payload
    return "task" not in headers or (isinstance(body, list | tuple) and len(body) == 3)  # noqa: PLR2004 - message protocol 2


@cache
def watching(consumer_class: type | str, parent: Parent, started: Callable[[Any], None]) -> type:
    """Give the subclass of a Consumer class, a user's own perhaps, that tells `parent` of what it refuses."""
    base = symbol_by_name(consumer_class)
    return type(base.__name__, (Watching, base), {"_redrive": parent, "_redrive_started": staticmethod(started)})
