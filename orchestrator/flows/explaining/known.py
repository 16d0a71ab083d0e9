"""What a story needs beside the ledger: the time, the settings of dependencies, the mode and keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.commands import Mode
from orchestrator.domain.dependencies import Policies

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What is known where a story is told; `default_mode` holds until somebody sets one."""

    now: datetime
    policies: Policies = field(default_factory=Policies)
    default_mode: Mode = Mode.ACT
    keys_known: bool = False
