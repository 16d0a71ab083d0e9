"""Retention: how long what has closed is kept, and the ledger's verbs that take it away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.tallies import TableSize


@dataclass(frozen=True, slots=True)
class Keep:
    """How long after its close what has closed is kept: the bodies of messages, and the rows."""

    bodies: timedelta
    rows: timedelta


class RetentionTx(Protocol):
    """The part of a ledger's transaction that forgets. Nothing that is open loses anything.

    Each verb takes what closed before a time, at most `limit` rows of it, and gives the number it took.
    """

    def claims_due(self, bodies_before: datetime, rows_before: datetime, limit: int) -> list[Mapping[str, Any]]:
        """List the claims of failures that are about to lose their message, unless another failure needs the body."""

    def purge_bodies(self, closed_before: datetime, now: datetime, limit: int, stay: Sequence[str] = ()) -> int:
        """Empty the messages of recovered and discarded failures; dead ones keep theirs, for they may be replayed.

        So do those whose claims name one of the URLs in `stay`.
        """

    def purge_payloads(self, closed_before: datetime, limit: int) -> int:
        """Take the failure out of the triggers of closed incidents, those that nobody has answered yet excepted."""

    def purge_failures(self, closed_before: datetime, limit: int, stay: Sequence[str] = ()) -> int:
        """Drop failures with their attempts and commands; what they count for is counted for good.

        Those stay whose claims name one of the URLs in `stay`.
        """

    def purge_incidents(self, closed_before: datetime, limit: int) -> int:
        """Drop closed incidents of which nothing is left, with their releases and triggers, counted for good."""

    def purge_remains(self, seen_before: datetime, now: datetime, limit: int) -> int:
        """Drop what belongs to nothing any more: evidence, modes but the one that holds, keys that are over,
        recoveries with what was answered about them, and ends of probes.
        """

    def expired_incidents(self, closed_before: datetime, limit: int) -> list[Incident]:
        """List the open incidents of which nothing is open, and what is dead has been so since before this time."""

    def measure(self) -> Mapping[str, TableSize]:
        """Measure the tables; reads all of them."""

    def note_sizes(self, sizes: Mapping[str, TableSize]) -> None:
        """Keep the sizes that were measured last, for the tallies."""
