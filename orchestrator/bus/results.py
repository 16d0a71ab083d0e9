"""The one reader of Celery's result backend: which one it is, its URL says; docs/capture.md says what each shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from orchestrator.bus.results_redis import WHAT as WHAT  # noqa: PLC0414 - re-exported
from orchestrator.bus.results_redis import RedisResults
from orchestrator.bus.results_sql import TABLE, SqlResults
from orchestrator.domain.errors import RedriveError
from orchestrator.domain.results import UNFINISHED, ResultPage, StoredTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.domain.errors import DependencyUnreachable
    from orchestrator.domain.ports import Results

VARIABLE: Final = "REDRIVE_RESULT_BACKEND_URL"
NOT_GIVEN: Final = f"no {VARIABLE} is set"
NOT_KEPT: Final = {
    "rpc": "rpc:// results are messages on the queue of whoever waits for them: nobody else can look at them",
    "disabled": "the application stores no results",
}


class ResultsRefused(RedriveError):
    """A result backend that cannot be read here."""


def open_results(url: str | None, *, key_prefix: str = "", table: str = TABLE) -> Results:
    """Open the backend at the URL that the application has as `result_backend`; None gives one that shows nothing.

    Raises ResultsRefused, which names the kind of the backend and never its URL.
    """
    if not url:
        return BlindResults(NOT_GIVEN)
    kind, _, rest = url.partition("://")
    first, _, inner = kind.partition("+")
    if first in NOT_KEPT:
        return BlindResults(NOT_KEPT[first])
    try:
        if first in ("redis", "rediss") and not inner and ";" not in url:
            return RedisResults.open(url, key_prefix)
        if first in ("db", "database") and inner:
            return SqlResults.open(f"{inner}://{rest}", table)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise ResultsRefused(f"{VARIABLE}: expected a backend that opens, got {type(error).__name__}") from None
    raise ResultsRefused(
        f"{VARIABLE}: expected redis://, rediss://, db+postgresql://, db+sqlite:/// (or another database of "
        f"SQLAlchemy's after db+), rpc:// or none, got {kind!r}; leave it out: failures are then told by workers and "
        "their journals alone"
    )


@dataclass(frozen=True, slots=True)
class BlindResults:
    """A backend that shows nothing, and says why."""

    blind: str | None

    def state_of(self, _task_ids: Sequence[str]) -> Mapping[str, StoredTask]:
        """Know nothing of any task."""
        return {}

    def unfinished(self, _limit: int, _cursor: str | None = None) -> ResultPage:
        """Know of no task."""
        return ResultPage((), None, 0)


@dataclass(slots=True)
class MemoryResults:
    """A backend for tests and trials: it shows what was put into it; raises `failing_with` while that is set."""

    tasks: dict[str, StoredTask] = field(default_factory=dict)
    failing_with: DependencyUnreachable | None = None
    blind: str | None = None

    def put(self, task: StoredTask) -> None:
        """Store a task in the place of what was known of it."""
        self.tasks[task.task_id] = task

    def state_of(self, task_ids: Sequence[str]) -> Mapping[str, StoredTask]:
        """Give what is stored of these tasks."""
        self._answer()
        return {each: self.tasks[each] for each in task_ids if each in self.tasks}

    def unfinished(self, limit: int, cursor: str | None = None) -> ResultPage:
        """Look at `limit` tasks behind the cursor, in the order in which they came."""
        self._answer()
        start = int(cursor or 0)
        looked_at = list(self.tasks.values())[start : start + limit]
        following = str(start + limit) if len(looked_at) == limit else None
        return ResultPage(tuple(each for each in looked_at if each.state in UNFINISHED), following, len(looked_at))

    def _answer(self) -> None:
        if self.failing_with is not None:
            raise self.failing_with
