"""The parts of an orchestrator, by the names that `redrive run --parts` takes."""

from __future__ import annotations

from typing import Final

from orchestrator.domain.errors import RedriveError

PARTS: Final = ("api", "intake", "recovery", "dispatch", "relay")


class UnknownPart(RedriveError):
    """A part that no orchestrator has."""

    def __init__(self, name: str) -> None:
        super().__init__(f"expected parts out of {', '.join(PARTS)}, got {name!r}")
