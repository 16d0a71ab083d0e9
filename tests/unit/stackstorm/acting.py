"""Runs single actions for tests, without a server."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.stackstorm.embedded import parameters
from orchestrator.stackstorm.embedded.content.configs import Config
from orchestrator.stackstorm.embedded.content.values import Action, Pack

if TYPE_CHECKING:
    from orchestrator.stackstorm.embedded.runners.ended import Ended
    from orchestrator.stackstorm.embedded.runners.running import Runners

_numbers = itertools.count()


class Acting:
    """A pack folder whose actions are run by name."""

    def __init__(self, runners: Runners, folder: Path, config: dict[str, Any] | None = None) -> None:
        (folder / "actions").mkdir(parents=True, exist_ok=True)
        self.runners = runners
        self.folder = folder
        self.pack = Pack("demo", folder, {}, Config(config or {}))

    def file(self, name: str, text: str) -> Path:
        """Write a file of the pack."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def action(self, runner: str, file: str | None = None, **schemas: Any) -> Action:
        """Make an action of the pack."""
        entry_point = self.folder / "actions" / file if file else None
        return Action("demo", Path(file or "act").stem, runner, {}, schemas, True, entry_point)

    def run(self, action: Action, execution: str | None = None, **given: Any) -> Ended:
        """Run an action as an execution with these parameters would."""
        shown = parameters.live(action, given, {})
        runner, own = parameters.final(action, shown, {})
        return self.runners.run(self.pack, action, execution or f"e{next(_numbers)}", runner, own)
