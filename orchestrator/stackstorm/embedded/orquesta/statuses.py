"""The status words of executions, tasks and workflows, and the sets that decisions are made on."""

from __future__ import annotations

from typing import Final

UNSET: Final = "null"
REQUESTED: Final = "requested"
SCHEDULED: Final = "scheduled"
DELAYED: Final = "delayed"
RUNNING: Final = "running"
PENDING: Final = "pending"
PAUSING: Final = "pausing"
PAUSED: Final = "paused"
RESUMING: Final = "resuming"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
TIMEOUT: Final = "timeout"
ABANDONED: Final = "abandoned"
RETRYING: Final = "retrying"
CANCELING: Final = "canceling"
CANCELED: Final = "canceled"

STARTING: Final = frozenset({REQUESTED, SCHEDULED, DELAYED, RUNNING, PENDING})
ABENDED: Final = frozenset({FAILED, TIMEOUT, ABANDONED})
COMPLETED: Final = frozenset({SUCCEEDED, CANCELED}) | ABENDED
ACTIVE: Final = frozenset({REQUESTED, SCHEDULED, DELAYED, RUNNING, RESUMING, PAUSING, CANCELING})
ADVANCING: Final = frozenset({REQUESTED, SCHEDULED, DELAYED, RUNNING, RESUMING, RETRYING})
PAUSE: Final = frozenset({PAUSING, PAUSED})
CANCEL: Final = frozenset({CANCELING, CANCELED})
WAITING: Final = frozenset({PENDING, PAUSED})
