"""One decision after another: each as a whole or not at all, and kept before anything of it begins."""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from orchestrator.stackstorm.embedded.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.stackstorm.embedded.control import Control
    from orchestrator.stackstorm.embedded.store import Store

    Work = Callable[[], object]
    Failed = Callable[[Exception], object]

T = TypeVar("T")
PATIENCE: Final = 30.0
# So long does one transaction gather the turns that wait: keeping them together costs as much as keeping one.
GATHER_SECONDS: Final = 0.01
log = logging.getLogger(__name__)


class Turns:
    """Takes turns on the control thread; those that wait share a transaction, in which each stands or falls alone.

    `forget` is called where something was undone: what is held in memory may not be so any more.
    """

    def __init__(self, store: Store, control: Control, forget: Work) -> None:
        self._store = store
        self._forget = forget
        self._control = control
        self._waiting: deque[tuple[Work, Failed]] = deque()
        self._effects: list[Work] = []

    def post(self, work: Work, failed: Failed) -> None:
        """Take a turn later; where it raises, nothing of it stays, and `failed` takes the turn instead."""
        self._waiting.append((work, failed))
        self._control.post(self._gather)

    def after(self, seconds: float, work: Work, failed: Failed) -> None:
        """Take a turn when the time has passed."""
        self._control.after(seconds, partial(self.post, work, failed))

    def call(self, work: Callable[[], T]) -> T:
        """Take a turn and wait for what it gives, or raises; for other threads than the control thread."""
        answer: Future[T] = Future()

        def answered() -> None:
            given = work()
            self.then(partial(answer.set_result, given))

        self.post(answered, answer.set_exception)
        try:
            return answer.result(PATIENCE)
        except FutureTimeoutError:
            raise Fault(503, f"expected a turn within {PATIENCE:g} s, got none: ask again") from None

    def then(self, effect: Work) -> None:
        """Do this once the turn that is being taken is kept; not at all where it is not."""
        self._effects.append(effect)

    def safely(self, work: Work, failed: Failed) -> None:
        """Take a turn now, on this thread, as `post` does later."""
        self._keep(deque([(work, failed)]))

    def _gather(self) -> None:
        if self._waiting:
            self._keep(self._waiting)

    def _keep(self, waiting: deque[tuple[Work, Failed]]) -> None:
        taken: list[Failed] = []
        until = time.monotonic() + GATHER_SECONDS
        try:
            with self._store.transaction():
                while waiting and (not taken or time.monotonic() < until):
                    work, failed = waiting.popleft()
                    taken.append(failed)
                    self._take(work, failed)
        except Exception as error:
            log.exception("turns.not_kept")
            self._effects.clear()
            self._forget()
            for failed in taken:
                self._alone(failed, error)
        effects, self._effects = self._effects, []
        for effect in effects:
            try:
                effect()
            except Exception:
                log.exception("turn.effect_failed")

    def _take(self, work: Work, failed: Failed) -> None:
        before = len(self._effects)
        try:
            with self._store.transaction():
                work()
        except Exception as error:
            log.debug("turn.failed", exc_info=True)
            del self._effects[before:]
            self._forget()
            self._alone(failed, error)

    def _alone(self, failed: Failed, error: Exception) -> None:
        """Take the turn for a failure, at no cost to any other; where this fails too, a restart mends it."""
        before = len(self._effects)
        try:
            with self._store.transaction():
                failed(error)
        except Exception:
            log.exception("turn.lost")
            del self._effects[before:]
            self._forget()
