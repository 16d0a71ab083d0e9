"""The engine: triggers match rules, rules request executions, executions run; started and stopped as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.control import Control
from orchestrator.stackstorm.embedded.executing import Executing, Surroundings
from orchestrator.stackstorm.embedded.traces import Traces
from orchestrator.stackstorm.embedded.triggering import Triggering

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.library import Library
    from orchestrator.stackstorm.embedded.runners.running import Runners
    from orchestrator.stackstorm.embedded.store import Store


class Engine:
    """Ties content, store and runners together."""

    def __init__(self, library: Library, store: Store, runners: Runners, api_url: str, slots: int = 8) -> None:
        self._control = Control()
        self._runners = runners
        traces = Traces(store)
        self.executing = Executing(Surroundings(library, store, traces, self._control, runners, api_url), slots)
        self.triggering = Triggering(library, store, traces, self._control, self.executing)
        library.on_change(self.triggering.changed_rules)
        self.executing.on_change(self.triggering.execution_ended)
        self.executing.on_inquiry(self.triggering.inquiry_opened)

    def start(self) -> None:
        """Take up what a killed process left, then serve."""
        self.executing.take_up()
        self.triggering.resume()
        self._control.start()

    def stop(self) -> None:
        """Stop deciding; running actions are killed."""
        self._control.stop()
        self._runners.close()
        self.executing.stop()
