"""Actions that a test replaces by their result: asked for and recorded as ever, and then nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded.runners.running import Runners

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.content.values import Action, Pack
    from orchestrator.stackstorm.embedded.runners.ended import Ended


class StubbedRunners(Runners):
    """Runners that look first whether an action is replaced: `stubs` says how it ends, by its ref."""

    def __init__(self, *around: Any) -> None:
        super().__init__(*around)
        self.stubs: dict[str, Ended] = {}

    def run(self, pack: Pack, action: Action, execution: str, runner: dict[str, Any], own: dict[str, Any]) -> Ended:
        """Run one action to its end, or give the end that it was replaced by."""
        stub = self.stubs.get(action.ref)
        return stub if stub is not None else super().run(pack, action, execution, runner, own)
