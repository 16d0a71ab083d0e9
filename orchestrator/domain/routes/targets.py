"""A target of a route: a place where a task may run, what it is, and what the run gets there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

# What the place is called where the task was published; no target may have this name.
HOME: Final = "home"


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """Where else a task may run, and what the place is; what is None was not said.

    It has a queue, or an exchange with a routing key; with neither, the task stays where it was published. `kwargs` are
    keyword arguments that the run gets in place of its own. `dependency` is what the task leans on there, its own where
    that is not said. `context_tokens` is the largest context, in tokens, and `usd_per_million_tokens` the price.
    """

    name: str
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    dependency: str | None = None
    region: str | None = None
    data_class: str | None = None
    memory_class: str | None = None
    capabilities: tuple[str, ...] | None = None
    context_tokens: int | None = None
    usd_per_million_tokens: Decimal | None = None

    @property
    def is_home(self) -> bool:
        """Tell whether this is the place where the task was published, with its own arguments."""
        return self.name == HOME

    @property
    def place(self) -> tuple[str, str] | None:
        """Give exchange and routing key; None where the task stays where it was published."""
        if self.exchange is not None:
            return self.exchange, self.routing_key or ""
        return None if self.queue is None else ("", self.queue)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a task was published: exchange and routing key, the queue that took it where that is known, what it leans
    on there, and the class of its memory.

    `recovered`: the gate of its dependency lets it through, for a canary of it went well, or this is one.
    """

    place: tuple[str, str]
    dependency: str | None = None
    memory_class: str | None = None
    recovered: bool = False
    queue: str | None = None

    def takes(self, target: RouteTarget) -> bool:
        """Tell whether a target is this place, or leaves a task where it was."""
        if target.place is None or target.place == self.place:
            return True
        return target.queue is not None and target.queue == self.queue

    def alike(self, one: RouteTarget, other: RouteTarget) -> bool:
        """Tell whether two targets are one place with the same keyword arguments, whatever they are called."""
        return self._place(one) == self._place(other) and dict(one.kwargs) == dict(other.kwargs)

    def _place(self, target: RouteTarget) -> tuple[str, str] | None:
        return self.place if self.takes(target) else target.place
