"""What is mixed into a task's Request class in the worker's main process: hooks where Celery learns of a run's fate.

Each hook tells `Parent`, whose methods never raise, and then does what the class did before.
"""

from __future__ import annotations

from functools import wraps
from time import time
from typing import TYPE_CHECKING, Any, Final

from eventbus.kept import BEGUN, KEY, kept
from eventbus.vocabulary import ATTEMPT_HEADER, REDACTED_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from billiard.einfo import ExceptionInfo

    from eventbus.fate import Fate
    from eventbus.parent import Parent

OWN_HEADERS: Final = frozenset({ATTEMPT_HEADER, REDACTED_HEADER})


class Keeping:
    """Mixed into a Request class: keeps the message, and tells of the run's begin and of its bad ends."""

    _redrive: Parent | None = None
    fate: Fate | None = None
    fate_told = False
    queue: str | None = None
    _request_dict: dict[str, Any]

    def __init_subclass__(cls, **options: Any) -> None:
        """Note when a run is handed to the pool, in the class too that Celery makes of a task's own."""
        super().__init_subclass__(**options)
        if "execute_using_pool" in vars(cls):
            made: Any = cls
            made.execute_using_pool = _handing_over(made.execute_using_pool)

    def __init__(self, message: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401 - celery has no types
        super().__init__(message, *args, **options)  # type: ignore[call-arg]  # of the Request it is mixed into
        if self._redrive is not None:
            self.queue = self._redrive.queue_of(message)
        self._request_dict["properties"] = {**(message.properties or {}), KEY: kept(message, self.queue)}
        for name in OWN_HEADERS & (message.headers or {}).keys():
            # Of a message of protocol 1 Celery puts the headers out of sight.
            self._request_dict.setdefault(name, message.headers[name])

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Write down that the pool runs it, before Celery acknowledges the message."""
        if self._redrive is not None:
            self._redrive.began(self, pid)
        try:
            super().on_accepted(pid, time_accepted)  # type: ignore[misc]  # of the Request it is mixed into
        except BaseException:
            if self._redrive is not None:
                self._redrive.not_begun(self)  # the pool refuses a run whose acceptance fails
            raise

    def on_failure(self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - as Celery has it
        """Tell of a run that is lost, or that ended badly in the child, which has told it then (`return_ok`)."""
        parent = self._redrive
        if parent is not None:
            parent.failing(self, exc_info, told=return_ok)
        try:
            super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)  # type: ignore[misc]  # of the Request it is mixed into
        except BaseException:
            if parent is not None:
                parent.failure_seen(self)
            raise
        finally:
            if parent is not None:
                parent.failed(self)

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001 - as Celery has it
        """Tell of a hard time limit that is over; `on_failure` has done so in prefork pools."""
        super().on_timeout(soft, timeout)  # type: ignore[misc]  # of the Request it is mixed into
        if not soft and self._redrive is not None:
            self._redrive.timed_out(self, timeout)

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - as Celery has it
        """Tell that the message goes back to its queue."""
        if requeue and self._redrive is not None:
            self._redrive.requeued(self)
        super().reject(requeue=requeue)  # type: ignore[misc]  # of the Request it is mixed into

    def revoked(self) -> bool:
        """Tell whether the task is not to run; an expired one that somebody redrives may."""
        if self._redrive is not None:
            self._redrive.admit(self)
        return super().revoked()  # type: ignore[misc, no-any-return]  # of the Request it is mixed into

    def _announce_revoked(self, reason: str, terminated: bool, signum: int | None, expired: bool) -> None:  # noqa: FBT001 - as Celery has it
        if self._redrive is not None:
            self._redrive.revoked(self, expired=expired)
        super()._announce_revoked(reason, terminated, signum, expired)  # type: ignore[misc]  # of the Request it is mixed into

    def _announce_cancelled(self, *args: Any, **options: Any) -> None:
        if self._redrive is not None:
            self._redrive.cancelled(self)
        super()._announce_cancelled(*args, **options)  # type: ignore[misc]  # of the Request it is mixed into


def _handing_over(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Have child and main process know one beginning of a run, by which the ledger tells it from a later one."""

    @wraps(execute)
    def execute_using_pool(self: Keeping, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - celery has no types
        self._request_dict["properties"][BEGUN] = time()
        return execute(self, *args, **options)

    return execute_using_pool
