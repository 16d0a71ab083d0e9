"""What a story needs beside the ledger: the time, the settings of dependencies, the mode, the event log's times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.commands import Mode
from orchestrator.domain.dependencies import Policies

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID


def _untold(_key: UUID) -> datetime | None:
    return None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known where a story is told; `default_mode` holds until somebody sets one.

    `told_at` gives the time of an event by its key, None for one that the event log has not, or has no more.
    """

    now: datetime
    policies: Policies = field(default_factory=Policies)
    default_mode: Mode = Mode.ACT
    keys_known: bool = False
    told_at: Callable[[UUID], datetime | None] = _untold
