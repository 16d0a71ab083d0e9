"""The port of whoever tells people: one target, told one notice, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.domain.alerts import Notice


@dataclass(frozen=True, slots=True)
class Sent:
    """The target has it."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """It does not have it, for a reason without any secret. A `final` one is about this notice: no try can help.

    `retry_after` is the seconds that it asked for; `late`, that it did not answer in time: no second try is worth it.
    """

    reason: str
    final: bool = False
    retry_after: float | None = None
    late: bool = False


class Notifier(Protocol):
    """Tells one target."""

    name: str
    # Whether it keeps alerts open until it is told that they are over.
    keeps: bool

    def notify(self, notice: Notice) -> Sent | NotSent:
        """Tell it, within its time-out; never raises for what the target did."""
