"""What a worker's processes need of its journal: which runs have begun, and which are over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class InFlight(Protocol):
    """Runs in flight, in a file that outlives the worker. In flight is what has begun more often than it ended."""

    def began(self, key: str, record: Mapping[str, Any]) -> None:
        """Note that a run begins, before its message is acknowledged; `record` is what its failure would need."""

    def ended(self, key: str) -> None:
        """Note that a run is over, from whichever process knows it."""


class Unwritten:
    """A journal that nothing is written to: a worker that has none still reports what it lives to see."""

    def began(self, key: str, record: Mapping[str, Any]) -> None:
        """Forget it."""

    def ended(self, key: str) -> None:
        """Forget it."""
