"""Dependencies, and the ramps of releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from orchestrator.ledger.codec import dependency_value, ramp_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import dependencies, ramps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.domain.dependencies import Dependency
    from orchestrator.domain.pacing import Ramp


class DependencyRows(Rows):
    """The verbs on dependencies and ramps."""

    def dependency(self, name: str) -> Dependency | None:
        """Look a dependency up."""
        return self._kept.dependencies.look_up(self._plain, name)

    def dependencies(self) -> list[Dependency]:
        """List all dependencies that something is known of, by name."""
        return [dependency_value(row) for row in self._reading.execute(select(dependencies).order_by("name"))]

    def save_dependency(self, dependency: Dependency) -> None:
        """Store what is known of a dependency, in the place of what was."""
        self._kept.dependencies.save(dependency.name, dependency)

    def ramp(self, name: str) -> Ramp | None:
        """Look a ramp up."""
        return self._kept.ramps.look_up(self._plain, name)

    def save_ramp(self, ramp: Ramp) -> None:
        """Store how a ramp stands, in the place of what was."""
        self._kept.ramps.save(ramp.name, ramp)

    def ramps(self) -> list[Ramp]:
        """List all ramps, by name."""
        return [ramp_value(row) for row in self._reading.execute(select(ramps).order_by("name"))]

    def drop_ramps(self, names: Iterable[str]) -> None:
        """Forget ramps that no release is left of."""
        for name in names:
            self._connection.execute(delete(ramps).where(ramps.c.name == name))
