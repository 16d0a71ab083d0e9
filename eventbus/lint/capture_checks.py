"""Checks of what would go unreported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventbus.lint.findings import Check, Found, Severity

if TYPE_CHECKING:
    from eventbus.lint.facts import AppFacts

INSTALL: Final = "from eventbus.celery_plugin import install; install(app)"
DECLARE: Final = "redrive={...} on the task, or the pattern; docs/declarations.md"
CELERYS_CONSUMER: Final = "celery.worker.consumer:Consumer"


def plugin_missing(app: AppFacts) -> Found | None:
    """Find an app that never called install."""
    return None if app.installed else Found("install(app) was not called for this app.", INSTALL)


def eager(app: AppFacts) -> Found | None:
    """Find an app whose tasks run where they are called."""
    on = app.settings["task_always_eager"]
    return Found("task_always_eager is on.", "app.conf.task_always_eager = False") if on else None


def declaration_wrong(app: AppFacts) -> Found | None:
    """Find tasks with which a worker would refuse to start."""
    wrong = tuple(f"{task.wrong}" for task in app.tasks if task.wrong)
    return Found("A worker refuses to start with this.", DECLARE, wrong) if wrong else None


def pattern_unused(app: AppFacts) -> Found | None:
    """Find patterns of declarations that match no task."""
    change = 'declarations={"a.name.that.exists": ...}'
    return Found("No task has such a name.", change, app.unused_patterns) if app.unused_patterns else None


def consumer_replaced(app: AppFacts) -> Found | None:
    """Find a consumer that hands messages out in its own way."""
    if app.deaf_consumer is None:
        return None
    what = f"worker_consumer is {app.deaf_consumer}, whose create_task_handler is its own."
    return Found(what, "derive it from celery.worker.consumer.Consumer, and leave create_task_handler as it is")


def places_unwritable(app: AppFacts) -> Found | None:
    """Find folders that a worker cannot write."""
    shut = tuple(f"{place.name}: {place.path}" for place in app.places if not place.writable)
    change = "REDRIVE_SPOOL_DIR=/a/folder/on/a/disk/that/stays, which holds the journal too"
    return Found("These folders cannot be written.", change, shut) if shut else None


def hostname_random(app: AppFacts) -> Found | None:
    """Find workers whose name changes at each start."""
    if app.random_hostname is None:
        return None
    return Found(
        f"This host is called {app.random_hostname}, and its next start may be called otherwise.",
        "celery worker -n NAME@%d with a fixed name, or the orchestrator with the same folder",
    )


def backend_blind(app: AppFacts) -> Found | None:
    """Find a result backend in which nobody can read what became of a task."""
    if app.backend_keeps:
        return None
    return Found(f"The result backend is {app.backend}.", 'app.conf.result_backend = "redis://..." or "db+..."')


def started_untracked(app: AppFacts) -> Found | None:
    """Find tasks of which no backend knows that they run."""
    if not app.backend_keeps:
        return None
    silent = app.named(lambda task: not task.track_started or task.ignore_result)
    if not silent:
        return None
    ignored = app.named(lambda task: task.track_started and task.ignore_result)
    change = "ignore_result=False on them" if ignored == silent else "app.conf.task_track_started = True"
    return Found("The result backend is not told that these have started.", change, silent)


CHECKS: Final = (
    Check("plugin-missing", Severity.ERROR, "Nothing that fails is reported to Redrive.", plugin_missing),
    Check(
        "always-eager",
        Severity.ERROR,
        "Tasks run in the caller, without a message: none of their failures can be redriven.",
        eager,
    ),
    Check("declaration-wrong", Severity.ERROR, "What was meant does not hold.", declaration_wrong),
    Check(
        "pattern-unused",
        Severity.WARNING,
        "A task that it was meant for has another name, declares nothing, and waits for a person.",
        pattern_unused,
    ),
    Check(
        "consumer-replaced",
        Severity.ERROR,
        "The plugin hears of unknown tasks and of messages that cannot be read from Celery's own handler.",
        consumer_replaced,
    ),
    Check(
        "folder-unwritable",
        Severity.ERROR,
        "With the bus away a failure has nowhere to wait, and what a killed worker had in flight is not known.",
        places_unwritable,
    ),
    Check(
        "hostname-random",
        Severity.NOTE,
        "The journal of a killed worker is read by the next worker of that name, which never comes.",
        hostname_random,
    ),
    Check(
        "backend-blind",
        Severity.WARNING,
        "The reconciler cannot find tasks that were left behind by a lost machine, and a copy of a redrive that has "
        "ended may run again: nobody can tell that it has.",
        backend_blind,
    ),
    Check(
        "started-untracked",
        Severity.NOTE,
        "A run that its machine took with it, journal and all, looks as if it still waited in its queue.",
        started_untracked,
    ),
)
