"""The table of routes: which targets a task has, what it demands of them, and where its home is."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from orchestrator.domain.routes.choosing import HOP_LIMIT
from orchestrator.domain.routes.constraints import Classes, Constraints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.routes.targets import RouteTarget


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One entry of the table: for tasks of a name pattern, for those that lean on a dependency, or for both together.

    `home_memory_class` is the class of memory where these tasks run as they were published.
    """

    task: str | None = None
    dependency: str | None = None
    targets: tuple[RouteTarget, ...] = ()
    constraints: Constraints | None = None
    hop_limit: int | None = None
    home_memory_class: str | None = None

    def matches(self, task: str, dependency: str | None) -> bool:
        """Tell whether this entry is for a task that leans on this dependency."""
        if self.task is not None and not fnmatchcase(task, self.task):
            return False
        return self.dependency is None or self.dependency == dependency


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All entries, in the order in which they count."""

    rules: tuple[RouteRule, ...] = ()
    classes: Classes = field(default_factory=Classes)

    def of(self, task: str, dependency: str | None) -> RouteRule:
        """Put together what all matching entries say of a task: their targets in order, the first of each name.

        The home of the first that knows it counts, and the smallest hop limit. Their constraints hold all together
        (`demands`), so that no entry loosens what another demands.
        """
        matching = self._matching(task, dependency)
        limits = [each.hop_limit for each in matching if each.hop_limit is not None]
        homes = [each.home_memory_class for each in matching if each.home_memory_class is not None]
        return RouteRule(
            task,
            dependency,
            unique([target for each in matching for target in each.targets]),
            hop_limit=min(limits, default=HOP_LIMIT),
            home_memory_class=next(iter(homes), None),
        )

    def demands(self, task: str, dependency: str | None) -> tuple[Constraints, ...]:
        """Give the constraints of all matching entries."""
        return tuple(each.constraints for each in self._matching(task, dependency) if each.constraints is not None)

    def _matching(self, task: str, dependency: str | None) -> list[RouteRule]:
        return [each for each in self.rules if each.matches(task, dependency)]


def unique(targets: Sequence[RouteTarget]) -> tuple[RouteTarget, ...]:
    """Keep the first target of each name."""
    return tuple(
        {each.name: each for each in reversed(targets)}[name] for name in dict.fromkeys(t.name for t in targets)
    )
