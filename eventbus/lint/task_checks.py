"""Checks of tasks: may they run twice, how often do they, how long do they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventbus.lint.findings import Check, Found, Severity

if TYPE_CHECKING:
    from eventbus.lint.facts import AppFacts

LONG_SECONDS: Final = 300
POOLS_WITHOUT_LIMITS: Final = frozenset({"solo", "threads"})


def idempotent_undeclared(app: AppFacts) -> Found | None:
    """Find tasks of which nobody said whether they may run twice."""
    silent = app.named(lambda task: not task.says_idempotent and not task.wrong)
    change = '@app.task(redrive={"idempotent": True}), or False where a person shall look'
    return Found("These do not say whether they may run twice.", change, silent) if silent and app.installed else None


def acks_late_not_idempotent(app: AppFacts) -> Found | None:
    """Find tasks that the broker may run twice though they may not."""
    twice = app.named(lambda task: task.acks_late and not task.idempotent)
    change = "acks_late=False; or make it safe to run twice, and declare that"
    return Found("acks_late is on for tasks that may not run twice.", change, twice) if twice else None


def autoretry_beside_redrive(app: AppFacts) -> Found | None:
    """Find tasks that both Celery and Redrive retry."""
    both = app.named(lambda task: task.autoretry and task.idempotent)
    change = "remove autoretry_for, or keep it for short hiccups with max_retries=1"
    return Found("autoretry_for is set on tasks that are redriven.", change, both) if both and app.installed else None


def reject_without_acks_late(app: AppFacts) -> Found | None:
    """Find reject_on_worker_lost where it does nothing."""
    idle = app.named(lambda task: task.reject_on_worker_lost and not task.acks_late)
    change = "acks_late=True beside it, or remove reject_on_worker_lost"
    return Found("reject_on_worker_lost is on without acks_late.", change, idle) if idle else None


def acks_late_lost(app: AppFacts) -> Found | None:
    """Find acks_late tasks whose message goes with their child."""
    gone = app.named(lambda task: task.acks_late and not task.reject_on_worker_lost)
    change = "task_reject_on_worker_lost=True with a delivery limit; or leave it so, and Redrive brings them back"
    return Found("acks_late is on without reject_on_worker_lost.", change, gone) if gone else None


def failure_rejected(app: AppFacts) -> Found | None:
    """Find acks_late tasks whose failing message is rejected."""
    rejected = app.named(lambda task: task.acks_late and not task.acks_on_failure)
    change = "app.conf.task_acks_on_failure_or_timeout = True"
    return Found("Messages of failed runs are rejected, not acknowledged.", change, rejected) if rejected else None


def timeout_requeued(app: AppFacts) -> Found | None:
    """Find tasks that a hard time limit sends round in circles."""
    again = app.named(lambda task: task.acks_late and not task.acks_on_timeout and bool(task.time_limit))
    change = "app.conf.task_acks_on_failure_or_timeout = True"
    return Found("A run that meets its hard time limit is put back on its queue.", change, again) if again else None


def no_time_limit(app: AppFacts) -> Found | None:
    """Find tasks that may hang for ever."""
    endless = app.named(lambda task: task.longest_run is None)
    change = "app.conf.task_soft_time_limit = 300; app.conf.task_time_limit = 330"
    return Found("Nothing ends these when they hang.", change, endless) if endless else None


def limit_not_enforced(app: AppFacts) -> Found | None:
    """Find time limits in a pool that has none."""
    if app.pool not in POOLS_WITHOUT_LIMITS:
        return None
    limited = app.named(lambda task: task.longest_run is not None)
    change = "app.conf.worker_pool = 'prefork', or a time-out in the task's own calls"
    return Found(f"The pool {app.pool} enforces no time limits.", change, limited) if limited else None


def prefetch_behind_long(app: AppFacts) -> Found | None:
    """Find long acks_late tasks with others prefetched behind them."""
    multiplier = app.settings["worker_prefetch_multiplier"]
    long = app.named(lambda task: task.acks_late and (task.longest_run or 0) >= LONG_SECONDS)
    what = f"worker_prefetch_multiplier is {multiplier}, and these may run for {LONG_SECONDS} s or more."
    return Found(what, "app.conf.worker_prefetch_multiplier = 1", long) if long and multiplier != 1 else None


CHECKS: Final = (
    Check(
        "idempotent-undeclared",
        Severity.NOTE,
        "A task that is not declared idempotent is never redriven by itself: each failure waits for a person.",
        idempotent_undeclared,
    ),
    Check(
        "acks-late-not-idempotent",
        Severity.WARNING,
        "When a worker or its connection is lost the broker delivers the message again: the task runs twice, whatever "
        "it declares to Redrive.",
        acks_late_not_idempotent,
    ),
    Check(
        "autoretry-beside-redrive",
        Severity.WARNING,
        "Celery retries by time, into the outage, and only its last failure reaches Redrive.",
        autoretry_beside_redrive,
    ),
    Check(
        "reject-without-acks-late",
        Severity.WARNING,
        "The message is acknowledged before the run: nothing is left to reject, and the setting does nothing.",
        reject_without_acks_late,
    ),
    Check(
        "acks-late-lost",
        Severity.NOTE,
        "A killed child's message is acknowledged and gone, although acks_late looks as if it were kept. Redrive "
        "reports it as worker_lost.",
        acks_late_lost,
    ),
    Check(
        "failure-rejected",
        Severity.WARNING,
        "The broker drops the message or dead-letters it while Redrive holds the same failure: if something empties "
        "that dead-letter queue, both bring the task back.",
        failure_rejected,
    ),
    Check(
        "timeout-requeued",
        Severity.ERROR,
        "It meets the same limit again, at once and for ever.",
        timeout_requeued,
    ),
    Check(
        "no-time-limit",
        Severity.NOTE,
        "A task that hangs never fails: nobody is told, and it holds a place in the pool for good.",
        no_time_limit,
    ),
    Check("limit-not-enforced", Severity.WARNING, "The limits look as if they held.", limit_not_enforced),
    Check(
        "prefetch-behind-long",
        Severity.WARNING,
        "Messages that a busy worker has fetched wait behind its long tasks while other workers are idle.",
        prefetch_behind_long,
    ),
)
