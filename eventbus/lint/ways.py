"""The ways in which a task can end badly, and whether this app's configuration lets the plugin see each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from eventbus.lint.broker_checks import expiry_untold, quorum_undead
from eventbus.lint.capture_checks import consumer_replaced, eager, places_unwritable, plugin_missing
from eventbus.lint.task_checks import limit_not_enforced

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventbus.lint.facts import AppFacts
    from eventbus.lint.findings import Found

    # Tells why a way cannot be taken here, or None; finds why it would be missed.
    _Absent = Callable[[AppFacts], str | None]
    _Missed = Callable[[AppFacts], Found | None]

PREFORK: Final = "prefork"


class Seen(StrEnum):
    """Whether a way is reported."""

    SEEN = "seen"
    MISSED = "missed"
    CANNOT_BE = "cannot be"


@dataclass(frozen=True, slots=True)
class Look:
    """One way, and what becomes of it here; `why` is empty for what is simply seen."""

    way: str
    seen: Seen
    why: str = ""


def looks(app: AppFacts) -> list[Look]:
    """Look at each of the ways."""
    return [_look(app, way, absent, missed) for way, absent, missed in WAYS]


def _look(app: AppFacts, way: str, absent: _Absent, missed: tuple[_Missed, ...]) -> Look:
    if (why := absent(app)) is not None:
        return Look(way, Seen.CANNOT_BE, why)
    for check in (plugin_missing, eager, *missed):
        if (found := check(app)) is not None:
            return Look(way, Seen.MISSED, " ".join((found.what, ", ".join(found.subjects))).strip())
    return Look(way, Seen.SEEN)


def _always(_: AppFacts) -> str | None:
    return None


def _no_children(app: AppFacts) -> str | None:
    return None if app.pool == PREFORK else f"the pool {app.pool} has no children; a kill ends the worker"


def _no_reject(app: AppFacts) -> str | None:
    rejects = app.named(lambda task: task.acks_late and task.reject_on_worker_lost)
    return _no_children(app) if rejects else "no task has acks_late and reject_on_worker_lost"


def _no_limit(app: AppFacts) -> str | None:
    return None if app.named(lambda task: bool(task.time_limit)) else "no task has a hard time limit"


def _no_acks_late(app: AppFacts) -> str | None:
    return None if app.named(lambda task: task.acks_late) else "no task has acks_late"


def _no_acks_early(app: AppFacts) -> str | None:
    return None if app.named(lambda task: not task.acks_late) else "every task has acks_late"


def _no_delivery_limit(app: AppFacts) -> str | None:
    if app.broker != "rabbitmq":
        return f"the broker is {app.broker}, which has none"
    return None if any(queue.quorum for queue in app.queues) else "no queue is a quorum queue"


WAYS: Final[tuple[tuple[str, _Absent, tuple[_Missed, ...]], ...]] = (
    ("an exception, or wrong arguments", _always, ()),
    ("a killed child", _no_children, ()),
    ("a killed child, rejected on worker lost", _no_reject, ()),
    ("SystemExit", _always, ()),
    ("a hard time limit", _no_limit, (limit_not_enforced,)),
    ("MemoryError", _always, ()),
    ("an unknown task", _always, (consumer_replaced,)),
    ("a refused content type, or missing headers", _always, (consumer_replaced,)),
    ("an undecodable body", _always, (consumer_replaced,)),
    ("expired", _always, (expiry_untold,)),
    ("a killed worker, acknowledged early", _no_acks_early, (places_unwritable,)),
    ("a killed worker, acks_late", _no_acks_late, (places_unwritable,)),
    ("a cold shutdown", _always, (places_unwritable,)),
    ("a quorum queue's delivery limit", _no_delivery_limit, (quorum_undead,)),
)
