"""What the conductor and the account need of a bed: verbs and places, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadtests.evidence import Arm
    from loadtests.scenarios.scenario import Bus, Fault


class Stage(Protocol):
    """A bed that has started (`loadtests.bed.bed.Bed`)."""

    folder: Path
    front: str
    api: str
    stackstorm: str

    def use(self, arm: Arm, block: str) -> None:
        """Give all calls from now on to one arm's worker."""

    def weather(self, bus: Bus) -> None:
        """Change the plugin's link to the event bus."""

    def begin(self, fault: Fault) -> str:
        """Begin a fault; gives a note of what was done."""

    def end(self, fault: Fault) -> None:
        """End it."""

    def pids(self) -> Mapping[str, int]:
        """Give the processes by name."""

    def refuse_ended(self) -> None:
        """Raise ProcessFailed where a process has ended that nobody stopped."""

    def ask(self, path: str) -> dict[str, Any]:
        """Ask the orchestrator's API."""
