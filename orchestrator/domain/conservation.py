"""Reconciliations: our account of what a store was given, held against what it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One sink's delivered events, accepted from `since` up to `until`, held against its store.

    `missing` of the `checked` ones are not there; `sent` of those go again, with `replay_id`.
    """

    id: UUID
    sink: str
    since: datetime
    until: datetime
    actor: str
    asked_at: datetime
    done_at: datetime | None = None
    checked: int = 0
    missing: int = 0
    sent: int = 0
    replay_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """An event that counts as delivered: its place and its key."""

    seq: int
    key: UUID


class Reconciliations(Protocol):
    """What was held against a store, and what is to be. Each call raises DependencyUnreachable."""

    def ask(self, asked: Reconciliation) -> None:
        """Keep one to be done; one of that id that is there already stays as it is."""

    def next(self) -> Reconciliation | None:
        """Give the one that has waited longest."""

    def finish(self, done: Reconciliation) -> None:
        """Keep its result."""

    def last(self, sink: str, actor: str | None = None) -> Reconciliation | None:
        """Give a sink's newest one, of those that this actor asked for, done or not."""

    def last_done(self, sink: str) -> Reconciliation | None:
        """Give the one of a sink that was done last."""

    def newest(self, limit: int) -> list[Reconciliation]:
        """List the newest, newest first."""

    def given(self, asked: Reconciliation, after: int, limit: int) -> Sequence[Given]:
        """List what counts as delivered of its hours, behind a sequence number, in the order of the log."""
