"""A sink as the settings make it: the destination, what it takes of the log, and how much goes there at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.subscriptions import Subscription
from orchestrator.flows.forwarding import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from orchestrator.domain.ports import Sink


@dataclass(frozen=True, slots=True)
class SinkEntry:
    """One destination with its route and its limits. Two entries have two names, which their sinks carry.

    `held` gives those of the keys that the destination has, where it can be asked that.
    """

    sink: Sink
    subscription: Subscription
    limits: Limits = field(default_factory=Limits)
    held: Callable[[Iterable[UUID]], set[UUID]] | None = None

    @property
    def name(self) -> str:
        """Give the name under which the log keeps its cursors and counts."""
        return self.sink.name


def all_of(sink: Sink, limits: Limits | None = None) -> SinkEntry:
    """Route to a sink whatever it can take."""
    return SinkEntry(sink, Subscription(sink.types), limits or Limits())
