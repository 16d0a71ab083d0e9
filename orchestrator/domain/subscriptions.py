"""What a sink takes of the log: types, organisations, and which share of the spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.domain.events import EventRecord


@dataclass(frozen=True, slots=True)
class Subscription:
    """Events of these types, of these organisations (all where None), of which `sample` is the share of traces kept.

    Only spans are sampled; an event of another type, or in no trace, is kept.
    """

    types: frozenset[str]
    organizations: frozenset[str] | None = None
    sample: float = 1.0

    def takes(self, record: EventRecord) -> bool:
        """Tell whether an event is routed here, or filtered; sampling comes after."""
        belongs = self.organizations is None or record.organization in self.organizations
        return belongs and record.type in self.types
