"""What the orchestrator knows of StackStorm: what it dispatched, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


FINAL: Final = frozenset({"succeeded", "failed", "timeout", "canceled", "abandoned"})

INTERRUPTED: Final = frozenset({"timeout", "abandoned"})


@dataclass(frozen=True, slots=True)
class Firing:
    """One trigger instance of a trace, with the rules that matched it and the executions they started."""

    trigger_instance_id: str
    trigger: str
    rules: tuple[str, ...]
    execution_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """One StackStorm execution: `status` is StackStorm's own word, `output` a workflow's rendered output."""

    id: str
    action: str
    status: str
    rule: str | None = None
    output: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Tell whether this execution has one of StackStorm's final statuses."""
        return self.status in FINAL

    @property
    def interrupted(self) -> bool:
        """Tell whether it ended without having failed at anything: it was cut off."""
        return self.status in INTERRUPTED

    @property
    def succeeded(self) -> bool:
        """Tell whether it ended well."""
        return self.status == "succeeded"
