"""Checks of results, names and processes: what is forgotten too early, refused, or sent nowhere."""

from __future__ import annotations

from datetime import timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from eventbus.lint.findings import Check, Found, Severity

if TYPE_CHECKING:
    from eventbus.lint.facts import AppFacts

# A child of a worker that has imported nothing but Celery takes as much.
LEAST_CHILD_KIB: Final = 50_000
BUILT_IN: Final = "celery."
MEMORY: Final = ":memory:"


def result_expires(app: AppFacts) -> Found | None:
    """Find results that are gone before what is held comes back."""
    names = ("result_expires", "result_chord_expires")
    early = tuple(
        f"{name} = {seconds:g} s" for name in names if 0 < (seconds := _seconds(app.settings[name])) < app.hold
    )
    what = f"Results are forgotten within {app.hold:g} s, the longest that a failure is held."
    return Found(what, f"app.conf.result_expires = {2 * app.hold:g}", early) if early and app.backend_keeps else None


def _seconds(setting: object) -> float:
    if isinstance(setting, timedelta):
        return setting.total_seconds()
    return float(setting) if isinstance(setting, int | float | str) else 0.0


def sqlite_results(app: AppFacts) -> Found | None:
    """Find results in a file or a memory that other processes do not share."""
    if app.sqlite_results is None or (app.sqlite_results != MEMORY and app.broker == "sqlite"):
        return None
    where = "in the memory of one process" if app.sqlite_results == MEMORY else "in a file of one machine"
    return Found(f"Results are kept {where}.", 'app.conf.result_backend = "redis://..." or "db+postgresql://..."')


def content_refused(app: AppFacts) -> Found | None:
    """Find tasks whose own messages their workers refuse."""
    refused = tuple(f"{task.name} ({task.serializer})" for task in app.tasks if task.serializer not in app.accepts)
    what = f"accept_content has {', '.join(sorted(app.accepts))} alone."
    return Found(what, "app.conf.accept_content = [...] with it, or another serializer", refused) if refused else None


def route_unknown(app: AppFacts) -> Found | None:
    """Find routes of tasks that do not exist."""
    unknown = _unknown(app, app.routed)
    change = "task_routes, with the name as the task has it; ignore it if it is another service's"
    return Found("task_routes names what no task of this app is called.", change, unknown) if unknown else None


def schedule_unknown(app: AppFacts) -> Found | None:
    """Find entries of the schedule whose task does not exist."""
    unknown = _unknown(app, app.scheduled)
    change = "beat_schedule, with the name as the task has it; ignore it if it is another service's"
    return Found("beat_schedule names what no task of this app is called.", change, unknown) if unknown else None


def _unknown(app: AppFacts, names: tuple[str, ...]) -> tuple[str, ...]:
    """Give the names and patterns that match no task, each with what was meant."""
    tasks = [task.name for task in app.tasks]
    lost = [name for name in names if not name.startswith(BUILT_IN)]
    return tuple(f"{name}{_meant(name, tasks)}" for name in lost if not any(fnmatchcase(task, name) for task in tasks))


def _meant(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" (meant: {close[0]}?)" if close else ""


def queue_missing(app: AppFacts) -> Found | None:
    """Find routes to queues that nobody declares."""
    what = "task_routes leads to queues that are not in task_queues, and task_create_missing_queues is off."
    return Found(what, "app.conf.task_queues = [..., Queue(NAME)]", app.missing_queues) if app.missing_queues else None


def memory_unit(app: AppFacts) -> Found | None:
    """Find a limit of memory that was meant in another unit."""
    limit = app.settings["worker_max_memory_per_child"]
    if not limit or limit >= LEAST_CHILD_KIB:
        return None
    what = f"worker_max_memory_per_child is {limit} KiB: less than an empty child takes."
    return Found(what, f"app.conf.worker_max_memory_per_child = {limit * 1024}, if {limit} MiB was meant")


def child_per_task(app: AppFacts) -> Found | None:
    """Find a worker that forks for every task."""
    once = app.settings["worker_max_tasks_per_child"] == 1
    what = "worker_max_tasks_per_child is 1."
    return Found(what, "app.conf.worker_max_tasks_per_child = 100, or as many as memory allows") if once else None


CHECKS: Final = (
    Check(
        "result-expires",
        Severity.WARNING,
        "Who waits for a task that was held meets nothing; a chord whose counter has expired never runs its body; an "
        "attempt whose outcome is forgotten may run again.",
        result_expires,
    ),
    Check(
        "sqlite-results",
        Severity.WARNING,
        "Others cannot read them: neither callers and workers of other machines, nor the reconciler there.",
        sqlite_results,
    ),
    Check("content-refused", Severity.ERROR, "A worker of this app refuses each message of theirs.", content_refused),
    Check(
        "route-unknown",
        Severity.NOTE,
        "A route for a name that does not exist does nothing: what it was meant for goes to the default queue.",
        route_unknown,
    ),
    Check(
        "schedule-unknown",
        Severity.WARNING,
        "A worker of this app discards each such message as an unknown task.",
        schedule_unknown,
    ),
    Check("queue-missing", Severity.ERROR, "Publishing such a task raises QueueNotFound.", queue_missing),
    Check(
        "memory-unit",
        Severity.ERROR,
        "Every child is replaced after its first task: a fork for each, and what it has cached is gone.",
        memory_unit,
    ),
    Check(
        "child-per-task",
        Severity.NOTE,
        "A fork and the start of the plugin's own threads are paid for each task.",
        child_per_task,
    ),
)
