"""The ledger in numbers, as metrics and the API show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class FirstRetry:
    """First attempts of all releases with an outcome or without, those that succeeded, and what belongs beside them.

    A failure that was opened again counts as a failure of its own: the first redrive after that is a first attempt.
    """

    first_attempts: int
    first_successes: int
    first_in_flight: int
    never_released: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class TableSize:
    """What one table holds: its rows, and its bytes with those of its indexes."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Tallies:
    """The ledger in numbers, rows that retention took included. Attempts are counted by (plan, state, turn).

    Ages are seconds; `tables` are as they were measured last; `dependencies` are healths by name.
    """

    failures: Mapping[str, int]
    incidents: Mapping[str, int]
    attempts: Mapping[tuple[str, str, int], int]
    dispatch_oldest_seconds: float
    held_oldest_seconds: Mapping[str, float]
    pending_oldest_seconds: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, TableSize] = field(default_factory=dict)
    dependencies: Mapping[str, str] = field(default_factory=dict)
