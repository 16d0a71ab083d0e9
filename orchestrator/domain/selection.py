"""Which failures a person means: by their ids, by their incident, or by what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.failures import FailureState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.failures import Kind

# What a person can send on its way again.
MOVABLE = frozenset({FailureState.HELD, FailureState.DEAD})


@dataclass(frozen=True, slots=True)
class Selection:
    """All that is given must hold. `task` is a glob; `since` and `until` bound when the runs failed; `arguments` are
    values of those that the task allows for search, as text. `states` are those of the failures, all when empty.
    """

    ids: frozenset[UUID] = frozenset()
    incident_id: UUID | None = None
    task: str | None = None
    queue: str | None = None
    kind: Kind | None = None
    signature: str | None = None
    dependency: str | None = None
    organization: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    states: frozenset[FailureState] = frozenset()
