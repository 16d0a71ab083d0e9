"""What the API's handlers need of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Engine

    from orchestrator.domain.commands import Mode
    from orchestrator.domain.events import SinkCounts
    from orchestrator.domain.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Api:
    """What the handlers need. Checks raise DependencyUnreachable; with `token` None nobody is asked who they are."""

    ledger: Ledger
    warehouse: Engine
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    default_mode: Mode
    token: str | None
    sinks: Callable[[], Mapping[str, SinkCounts]]
    checks: Mapping[str, Callable[[], None]]
    sink_checks: Mapping[str, Callable[[], None]]
    metrics: Callable[[], bytes]
