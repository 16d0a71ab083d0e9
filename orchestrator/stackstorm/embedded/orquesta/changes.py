"""How a status changes: a task's with its action or items, a workflow's with its tasks or because somebody asks.

Pure decisions: each function answers the status after, or None where nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchestrator.stackstorm.embedded.orquesta import statuses
from orchestrator.stackstorm.embedded.orquesta.statuses import (
    CANCELED,
    CANCELING,
    FAILED,
    PAUSED,
    PAUSING,
    PENDING,
    RESUMING,
    RETRYING,
    RUNNING,
    SUCCEEDED,
    UNSET,
)

if TYPE_CHECKING:
    from collections.abc import Collection

# What a task may become when its action has become the same. A paused task is never done: it is resumed first.
TASK: Final = {
    UNSET: {RUNNING, PENDING, SUCCEEDED, FAILED},
    RUNNING: {RUNNING, PENDING, PAUSING, PAUSED, CANCELING, CANCELED, FAILED, SUCCEEDED},
    PENDING: {CANCELED, FAILED, SUCCEEDED},
    PAUSING: {PAUSED, RESUMING, CANCELING, CANCELED, FAILED},
    PAUSED: {RUNNING, RESUMING, CANCELING, CANCELED},
    RESUMING: {RUNNING, CANCELING, CANCELED},
    RETRYING: {RUNNING, CANCELING, CANCELED},
    CANCELING: {CANCELED, FAILED},
}
_BUSY: Final = frozenset({RUNNING, PAUSING, CANCELING})
_MOVING: Final = frozenset({RUNNING, PAUSING, RESUMING})
_BEGUN: Final = frozenset({statuses.REQUESTED, statuses.SCHEDULED, statuses.DELAYED})


@dataclass(frozen=True, slots=True)
class Around:
    """The workflow around a task that has changed: what its other tasks do, and whether anything can follow."""

    active: bool
    canceled: bool
    paused: bool
    more: bool


def task(before: str, action: str) -> str | None:
    """Give a task's status after its action's."""
    if before == CANCELING and action == PAUSED:
        return CANCELED
    after = FAILED if action in statuses.ABENDED else action
    return after if after in TASK.get(before, ()) else None


def task_with_items(before: str, item: str, others: Collection[str]) -> str | None:
    """Give the status of a task with items after one item's; while others are active, only pausing and canceling show.

    When none is active any more: canceled before failed before paused; `others` are the statuses of the other items.
    """
    if item not in statuses.COMPLETED | statuses.WAITING | {RESUMING}:
        return task(before, item)
    if before not in _BUSY or item == RESUMING:
        return None
    if statuses.ACTIVE.intersection(others):
        return _ebbing(item) if before == RUNNING else None
    return _last_item(before, _kind(item), _gravest(others))


def _last_item(before: str, item: str, others: str) -> str:
    if before == CANCELING:
        return SUCCEEDED if item == others == SUCCEEDED else CANCELED
    for status in (CANCELED, FAILED, PAUSED):
        if status in (item, others):
            return status
    if others == UNSET:
        return RUNNING if before == RUNNING else PAUSED
    return SUCCEEDED


def _ebbing(item: str) -> str | None:
    if item == CANCELED:
        return CANCELING
    return PAUSING if item in statuses.WAITING else None


def _kind(status: str) -> str:
    if status in statuses.ABENDED:
        return FAILED
    return PAUSED if status in statuses.WAITING else status


def _gravest(others: Collection[str]) -> str:
    """Sum up items of which none is active: a paused one hides a canceled one, that a failed one, that one not run."""
    kinds = {_kind(status) for status in others}
    return next(
        (kind for kind in (PAUSED, CANCELED, FAILED) if kind in kinds), UNSET if kinds - {SUCCEEDED} else SUCCEEDED
    )


def task_with_items_asked(asked: str, items: Collection[str]) -> str | None:
    """Give what a running task with items becomes when somebody asks its workflow to pause or to cancel."""
    if asked not in statuses.PAUSE | statuses.CANCEL or statuses.COMPLETED.issuperset(items):
        return None
    active = bool(statuses.ACTIVE.intersection(items))
    if asked in statuses.PAUSE:
        return PAUSING if active else PAUSED
    return CANCELING if active else CANCELED


def workflow_asked(before: str, asked: str, *, active: bool, over: bool) -> str | None:
    """Give what a workflow becomes when somebody asks; None where it may not.

    `active`: some task runs; `over`: nothing runs, waits or could follow.
    """
    if asked in statuses.PAUSE:
        paused = PAUSING if active else PAUSED
        return paused if before in _MOVING | _BEGUN else None
    if asked in statuses.CANCEL:
        canceled = CANCELING if active else CANCELED
        return canceled if before in _MOVING | _BEGUN | {PAUSED, CANCELING} else None
    if asked == FAILED:
        return None if before in (CANCELED, FAILED) else FAILED
    if asked == RESUMING and before in statuses.PAUSE:
        return SUCCEEDED if before == PAUSED and over else RESUMING
    if asked == RUNNING and before in {UNSET, RESUMING} | _BEGUN | statuses.PAUSE:
        return SUCCEEDED if before == PAUSED and over else RUNNING
    return None


def workflow(before: str, changed: str, around: Around, *, remedied: bool) -> str | None:
    """Give what a workflow becomes when a task of it has changed; `remedied`: it failed, and something leads on."""
    if before == CANCELING:
        settled = changed in statuses.COMPLETED | statuses.WAITING | {RETRYING}
        return _ebbed(CANCELING, CANCELED, around) if settled else None
    if before == PAUSED:
        return RUNNING if changed in (RUNNING, RESUMING) else None
    if before not in _MOVING:
        return None
    if changed == SUCCEEDED or remedied:
        return _after_success(before, around, remedied=remedied)
    return _after_others(before, changed, around)


def _after_others(before: str, changed: str, around: Around) -> str | None:
    if changed in (FAILED, CANCELING):
        return changed
    if changed == CANCELED:
        return _ebbed(CANCELING, CANCELED, around)
    if changed == PENDING or (before == PAUSING and changed in (PAUSED, RETRYING)):
        return _ebbed(PAUSING, PAUSED, around)
    if changed == PAUSED and before == RUNNING:  # the others go on; a workflow pauses with its last active task
        return None if around.active else PAUSED
    return RUNNING if changed == RUNNING and before == RESUMING else None


def _after_success(before: str, around: Around, *, remedied: bool) -> str | None:
    if not around.active:
        if around.canceled or around.paused:
            return CANCELED if around.canceled else PAUSED
        if before == PAUSING:
            return PAUSED
        return RUNNING if around.more else SUCCEEDED
    if around.canceled and (before == RUNNING or (before == PAUSING and remedied)):
        return CANCELING
    if around.paused and before == RUNNING:
        return PAUSING
    return RUNNING if before == RESUMING and not (around.canceled or around.paused) else None


def _ebbed(active: str, dormant: str, around: Around) -> str:
    return active if around.active else dormant
