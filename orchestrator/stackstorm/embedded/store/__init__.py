"""What has happened, and what requests changed: one SQLite file, safe when the process is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.store.actions import ActionRows
from orchestrator.stackstorm.embedded.store.apikeys import ApiKeyRows
from orchestrator.stackstorm.embedded.store.database import Database, Document
from orchestrator.stackstorm.embedded.store.events import EventRows
from orchestrator.stackstorm.embedded.store.executions import ExecutionRows
from orchestrator.stackstorm.embedded.store.keys import KeyRows
from orchestrator.stackstorm.embedded.store.rules import RuleRows
from orchestrator.stackstorm.embedded.store.timers import TimerRows
from orchestrator.stackstorm.embedded.store.traces import TraceRows
from orchestrator.stackstorm.embedded.store.workflows import WorkflowRows

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Document", "Store"]


class Store:
    """All tables of one file; what is written together goes into one `transaction`. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self.executions = ExecutionRows(self._database)
        self.workflows = WorkflowRows(self._database)
        self.events = EventRows(self._database)
        self.traces = TraceRows(self._database)
        self.keys = KeyRows(self._database)
        self.rules = RuleRows(self._database)
        self.actions = ActionRows(self._database)
        self.api_keys = ApiKeyRows(self._database)
        self.timers = TimerRows(self._database)
        self.transaction = self._database.transaction
        self.together = self._database.together

    def close(self) -> None:
        """Close the file."""
        self._database.close()
