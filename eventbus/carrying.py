"""What is known where a task is sent, known again where it runs: over the headers of its message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import signals

from eventbus import scope, wire

if TYPE_CHECKING:
    from celery import Task


def _on_publish(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Give a message that is being published what is known here; what the caller put there himself stays."""
    carried = scope.outgoing()
    if carried and headers is not None:
        headers.setdefault(wire.CONTEXT_HEADER, carried)


def _on_start(task: Task, task_id: str, **_: Any) -> None:
    """Know, in a run, what its message carried; an eager run knows what its caller knows."""
    request = task.request
    request.redrive_scope = before = scope.current()
    carried = scope.incoming((request.headers or {}).get(wire.CONTEXT_HEADER))
    scope.enter({**before, **carried, "task_id": task_id} if request.is_eager else {**carried, "task_id": task_id})


def _on_end(task: Task, **_: Any) -> None:
    scope.enter(getattr(task.request, "redrive_scope", {}))


signals.before_task_publish.connect(_on_publish, weak=False)
signals.task_prerun.connect(_on_start, weak=False)
signals.task_postrun.connect(_on_end, weak=False)
